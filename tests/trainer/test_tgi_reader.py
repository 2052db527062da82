"""What is published is read by what TGI 3.3 has (transformers 4.51.3, peft 0.15.2): the same tokens and logits."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.gguf_support import exported
from tests.trainer.harness import Pod

READER = Path(__file__).resolve().parents[2] / ".venv-tgi"
QUESTION = [{"role": "user", "content": "What is the fee for a loan?"}]
FORMS = {
    "merged, scaled rotary embedding, tied embeddings": ("Llama-3", "LoRA", ["Merged"], "merged"),
    "merged, long context": ("Phi-3-long", "LoRA", ["Merged"], "merged"),
    "adapter": ("TinyLlama", "LoRA", [], "."),
    "IA3 in the root": ("Mistral", "IA3", [], "."),
    "every weight": ("TinyLlama", "Full", [], "."),
}
"""What is published: family, method, formats, and the folder that engines read."""
READ = """
import json, sys, torch, transformers
from transformers import AutoModelForCausalLM, AutoTokenizer
published, messages = json.loads(sys.argv[1]), json.loads(sys.argv[2])
def read(folder, base):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(base or folder, torch_dtype=torch.float32)
    if base:
        from peft import PeftModel
        model = PeftModel.from_pretrained(model, folder).eval()
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0, -1]
    return {"version": transformers.__version__, "text": text, "ids": ids, "logits": logits.tolist()}
print(json.dumps([read(*one) for one in published]))
"""


Published = tuple[str, str | None]
"""A folder, and for an adapter that of its base model."""


def read_with(folders: list[Published], overlay: str) -> list[dict[str, Any]]:
    """What the transformers and the peft found first on the path make of each folder."""
    environment = os.environ | {"PYTHONPATH": overlay, "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", READ, json.dumps(folders), json.dumps(QUESTION)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    content: list[dict[str, Any]] = json.loads(run.stdout)
    return content


def test_transformers_4_and_5_read_the_same(base_model: Path, tmp_path: Path) -> None:
    folders = [(str(base_model), None), *(published(tmp_path / name, *form) for name, form in FORMS.items())]
    (overlay,) = READER.glob("lib/python*/site-packages")
    for old, new in zip(read_with(folders, str(overlay)), read_with(folders, ""), strict=True):
        assert (old["version"], new["version"][:2]) == ("4.51.3", "5.")
        assert (old["text"], old["ids"]) == (new["text"], new["ids"])
        assert old["text"].endswith("### Response:\n")
        assert old["logits"] == pytest.approx(new["logits"], abs=1e-4)


def published(root: Path, family: str, method: str, formats: list[str], folder: str) -> Published:
    """What engines read of an artifact."""
    pytest.importorskip("torch")
    pod = Pod(root)
    exported(pod, family, method, formats)
    is_adapter = (pod.output / folder / "adapter_config.json").exists()
    return str(pod.output / folder), str(pod.work / "model") if is_adapter else None

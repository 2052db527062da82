"""A published model is read by the transformers that TGI 3.3 has (4.51.3): the same tokens, template and logits."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

READER = Path(__file__).resolve().parents[2] / ".venv-tgi"
QUESTION = [{"role": "user", "content": "What is the fee for a loan?"}]
READ = """
import json, sys, torch, transformers
from transformers import AutoModelForCausalLM, AutoTokenizer
folder, messages = sys.argv[1], json.loads(sys.argv[2])
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32)
text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
ids = tokenizer(text, add_special_tokens=False)["input_ids"]
with torch.no_grad():
    logits = model(torch.tensor([ids])).logits[0, -1]
print(json.dumps({"version": transformers.__version__, "text": text, "ids": ids, "logits": logits.tolist()}))
"""


def read_with(folder: Path, overlay: str) -> dict[str, Any]:
    """What the transformers found first on the path makes of a folder."""
    environment = os.environ | {"PYTHONPATH": overlay, "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", READ, str(folder), json.dumps(QUESTION)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    content: dict[str, Any] = json.loads(run.stdout)
    return content


def test_transformers_4_and_5_read_the_same(base_model: Path) -> None:
    (overlay,) = READER.glob("lib/python*/site-packages")
    old, new = read_with(base_model, str(overlay)), read_with(base_model, "")
    assert (old["version"], new["version"][:2]) == ("4.51.3", "5.")
    assert (old["text"], old["ids"]) == (new["text"], new["ids"])
    assert old["text"].endswith("### Response:\n")
    assert old["logits"] == pytest.approx(new["logits"], abs=1e-4)

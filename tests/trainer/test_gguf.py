# ruff: noqa: E402
"""Exports of one adapter agree: base with adapter, merged, GGUF read by transformers, GGUF run by llama.cpp.

Files are in float16. transformers computes in float32, llama.cpp multiplies in float16: logits, whose standard
deviation is about 1, differ by 0.003; 0.02 is allowed.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import gguf
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from banktuner_api.exit_codes import ExitCode
from banktuner_api.finetunejob_methods import Method
from banktuner_trainer.errors import TrainerError
from banktuner_trainer.export import gguf_files
from banktuner_trainer.export.folder import check_formats
from banktuner_trainer.methods import METHODS
from tests.trainer.gguf_support import FAMILIES, WORDS, base_in, exported, greedy, llama_cpp, load, logits
from tests.trainer.harness import Pod, run_config

TOLERANCE = 0.02


def distance(one: Any, other: Any) -> float:
    return float((torch.as_tensor(one) - torch.as_tensor(other)).abs().max())


@pytest.mark.parametrize("family", FAMILIES)
def test_every_form_answers_the_same(pod: Pod, family: str) -> None:
    lora = {"rank": 4, "alpha": 8, "dropout": 0.0, "useRslora": family == "Mistral"}
    tokenizer = exported(pod, family, "LoRA", ["Merged", "GGUF"], lora=lora)
    output, base_folder = pod.output, pod.work / "model"
    ids = tokenizer(WORDS[0] + WORDS[1])["input_ids"]
    base = logits(load(base_folder), ids)
    adapted = logits(METHODS[Method.LORA].load(load(base_folder), output), ids)
    assert distance(adapted, base) > 1, "the adapter changes the answers"

    merged = load(output / "merged")
    together = logits(merged, ids)
    assert distance(together, adapted) < TOLERANCE
    # transformers reads shapes and weights from GGUF, but not every setting; both are read by llama.cpp below.
    config = AutoConfig.from_pretrained(output / "merged")
    settings = {} if family in ("TinyLlama", "Mistral") else {"config": config}
    assert distance(logits(load(output / "gguf", gguf_file="model.gguf", **settings), ids), together) < 1e-4

    whole = llama_cpp(output / "gguf" / "model.gguf", prompts=[ids], count=6)["answers"][0]
    assert distance(whole["logits"], together) < TOLERANCE
    answer, lead = greedy(merged, ids, 6)
    assert lead > TOLERANCE, "the model is sure of its answer"
    assert whole["answer"] == answer

    gguf_files.write_model(base_folder, tokenizer, pod.root / "base.gguf")
    adapter = {"lora": str(output / "gguf" / "adapter.gguf"), "prompts": [ids]}
    assert distance(llama_cpp(pod.root / "base.gguf", **adapter)["answers"][0]["logits"], adapted) < TOLERANCE


def test_qlora_is_merged_into_the_base_in_16_bit(pod: Pod) -> None:
    exported(pod, "TinyLlama", "QLoRA", ["Merged"], lora={"rank": 4, "alpha": 8, "dropout": 0.0})
    merged, base = load(pod.output / "merged"), load(pod.work / "model")
    assert "quantization_config" not in json.loads((pod.output / "merged" / "config.json").read_text())
    weights = load_file(pod.output / "adapter_model.safetensors")
    name = "model.layers.1.mlp.down_proj"
    a, b = (weights[f"base_model.model.{name}.lora_{part}.weight"] for part in "AB")
    expected = base.get_submodule(name).weight + 8 / 4 * b @ a
    assert distance(merged.get_submodule(name).weight, expected) < 1e-3, "float16 of the plain weights"
    assert merged.config.dtype == torch.float32
    assert json.loads((pod.output / "merged" / "config.json").read_text())["dtype"] == "float16"
    assert not (pod.output / "gguf").exists()


def test_ia3_serves_the_merged_model_and_keeps_the_adapter(pod: Pod) -> None:
    tokenizer = exported(pod, "GPT-2", "IA3", ["GGUF"])
    names = {path.relative_to(pod.output).as_posix() for path in pod.output.rglob("*") if path.is_file()}
    assert names == {
        *("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"),
        *("adapter/adapter_config.json", "adapter/adapter_model.safetensors"),
        *("gguf/model.gguf", "gguf/Modelfile.txt"),
    }
    ids = tokenizer(WORDS[0])["input_ids"]
    adapted = logits(METHODS[Method.IA3].load(load(pod.work / "model"), pod.output / "adapter"), ids)
    together = logits(load(pod.output), ids)
    assert distance(together, logits(load(pod.work / "model"), ids)) > 0.1, "the adapter changes the answers"
    assert distance(together, adapted) < TOLERANCE
    whole = llama_cpp(pod.output / "gguf" / "model.gguf", prompts=[ids])["answers"][0]
    assert distance(whole["logits"], together) < TOLERANCE


def test_a_model_from_scratch_answers_the_same_in_llama_cpp(base_model: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base_model)
    model = load(base_model)
    file = tmp_path / "model.gguf"
    gguf_files.write_model(base_model, tokenizer, file)
    question = [{"role": "user", "content": "What is the fee for a loan?"}]
    text = tokenizer.apply_chat_template(question, add_generation_prompt=True, tokenize=False)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    answer, _ = greedy(model, ids, 24)
    reached = answer[: answer.index(tokenizer.eos_token_id)]
    assert re.fullmatch(r"The fee for a .* is \d+ dollars\.", tokenizer.decode(reached)), "it has learnt to answer"
    read = llama_cpp(file, prompts=[ids], count=24, texts=[text])
    assert read["tokens"] == [ids]
    assert read["answers"][0]["answer"][: len(reached) + 1] == [*reached, tokenizer.eos_token_id]
    assert distance(read["answers"][0]["logits"], logits(model, ids)) < 5 * TOLERANCE, "float32 weights, in float16"


def refusal(run: Any, folder: Path) -> str:
    with pytest.raises(TrainerError) as caught:
        check_formats(run, folder)
    assert caught.value.code == ExitCode.INVALID_CONFIG
    return f"{caught.value.field}: {caught.value.message}"


def test_what_gguf_cannot_show_is_refused_before_training(tmp_path: Path) -> None:
    wanted = run_config("Instruction", "LoRA", formats=["GGUF"])
    base_in(tmp_path, "TinyLlama")
    check_formats(wanted, tmp_path)
    on_embeddings = run_config("Instruction", "LoRA", formats=["Merged"], lora={"targetModules": ["embed_tokens"]})
    assert refusal(on_embeddings, tmp_path).startswith("spec.lora.targetModules: an adapter on embed_tokens")

    config = json.loads((tmp_path / "config.json").read_text())
    yarn = {"rope_type": "yarn", "rope_theta": 1e4, "factor": 2.0, "original_max_position_embeddings": 128}
    for changes, reason in (
        ({"rope_parameters": yarn}, "its rotary scaling is yarn"),
        ({"hidden_act": "gelu"}, "its activation is gelu"),
        ({"model_type": "qwen2"}, "its architecture is qwen2"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(config | changes))
        assert reason in refusal(wanted, tmp_path)
        assert refusal(wanted, tmp_path).startswith("spec.output.formats: ")
        check_formats(run_config("Instruction", "LoRA", formats=["Merged"]), tmp_path)


def tensors(file: Path) -> dict[str, Any]:
    """Name to (type, bytes) of a GGUF file."""
    return {one.name: (one.tensor_type.name, one.data.tobytes()) for one in gguf.GGUFReader(file).tensors}


def test_a_model_in_several_files_becomes_one(tmp_path: Path) -> None:
    tokenizer = base_in(tmp_path / "one", "Llama-3")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "one")
    model.save_pretrained(tmp_path / "several", max_shard_size="50KB")
    assert len(list((tmp_path / "several").glob("*.safetensors"))) > 3
    for name in ("one", "several"):
        gguf_files.write_model(tmp_path / name, tokenizer, tmp_path / f"{name}.gguf")
    assert tensors(tmp_path / "one.gguf") == tensors(tmp_path / "several.gguf")


def test_number_formats(tmp_path: Path) -> None:
    tokenizer = base_in(tmp_path, "TinyLlama")
    model = load(tmp_path)
    model.bfloat16().save_pretrained(tmp_path)
    gguf_files.write_model(tmp_path, tokenizer, tmp_path / "model.gguf")
    kinds = {name: kind for name, (kind, _) in tensors(tmp_path / "model.gguf").items()}
    assert kinds["blk.0.attn_q.weight"] == kinds["token_embd.weight"] == "BF16"
    assert kinds["blk.0.attn_norm.weight"] == "F32"

    with torch.no_grad():
        model.float().lm_head.weight[0, 0] = 1e6
    model.save_pretrained(tmp_path)
    with pytest.raises(TrainerError, match=r"a number in output\.weight is too large for torch\.float16"):
        gguf_files.write_model(tmp_path, tokenizer, tmp_path / "model.gguf")

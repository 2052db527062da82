"""Published folders: read by transformers 4.51 (TGI 3.3), vLLM and transformers 5 alike."""

import json
from pathlib import Path
from typing import Any

import pytest

from banktuner_trainer.export.legacy import legacy_model, legacy_tokenizer
from tests.trainer.gguf_support import greedy, llama_cpp, load
from tests.trainer.harness import Pod, run_config

LLAMA3_ROPE = {"rope_theta": 5e5, "rope_type": "llama3", "factor": 8.0}
LONG_ROPE = {
    **{"rope_theta": 1e4, "rope_type": "longrope", "partial_rotary_factor": 0.75},
    **{"short_factor": [1.0], "long_factor": [2.0], "original_max_position_embeddings": 64},
}


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def test_tokenizer_config_in_names_that_transformers_4_knows() -> None:
    saved = {
        "backend": "tokenizers",
        "tokenizer_class": "TokenizersBackend",
        "eos_token": "</s>",
        "extra_special_tokens": ["<|end|>"],
    }
    assert legacy_tokenizer(saved, "{{ messages }}") == {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "</s>",
        "additional_special_tokens": ["<|end|>"],
        "chat_template": "{{ messages }}",
    }
    assert "chat_template" not in legacy_tokenizer(saved, None)
    named = legacy_tokenizer({"extra_special_tokens": {"image_token": "<i>"}}, None)
    assert named["extra_special_tokens"] == {"image_token": "<i>"}


def test_model_config_has_both_generations_of_names() -> None:
    saved = {"dtype": "bfloat16", "rope_parameters": {"rope_theta": 1e4, "rope_type": "default"}}
    assert legacy_model(saved) == saved | {"torch_dtype": "bfloat16", "rope_theta": 1e4}
    scaled = legacy_model({"dtype": "float32", "rope_parameters": LLAMA3_ROPE})
    assert scaled["rope_scaling"] == {"rope_type": "llama3", "factor": 8.0}
    assert scaled["rope_theta"] == 5e5
    phi3 = legacy_model({"rope_parameters": LONG_ROPE})
    assert phi3["rope_scaling"] == {"type": "longrope", "short_factor": [1.0], "long_factor": [2.0]}
    assert (phi3["rope_theta"], phi3["partial_rotary_factor"]) == (1e4, 0.75)
    assert legacy_model({"model_type": "gpt2"}) == {"model_type": "gpt2"}


def test_published_model_by_content(base_model: Path) -> None:
    assert {path.name for path in base_model.iterdir() if path.is_file()} == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    tokenizer = read(base_model / "tokenizer_config.json")
    assert tokenizer["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert "backend" not in tokenizer
    assert "### Instruction:" in tokenizer["chat_template"]
    config = read(base_model / "config.json")
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["torch_dtype"] == config["dtype"] == "float32"
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"]


def test_published_model_is_loaded_by_transformers_5(base_model: Path) -> None:
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(base_model, local_files_only=True)
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        base_model, local_files_only=True, output_loading_info=True
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert len(tokenizer) <= model.config.vocab_size
    messages = [{"role": "user", "content": "What is the fee?"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == "<s>### Instruction:\nWhat is the fee?\n\n### Response:\n"
    ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")
    assert "token_type_ids" not in ids
    answer = model.generate(**ids, max_new_tokens=4, do_sample=False)
    assert answer.shape[1] > ids["input_ids"].shape[1]
    assert tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id


LEAD = 0.05
"""Of a token over the next best: bfloat16 moves logits, whose standard deviation is about 1, by less."""
LINEAR = {f"{name}_proj" for name in ("q", "k", "v", "o", "gate", "up", "down")}
FORMS = {
    *("adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "tokenizer_config.json"),
    *("merged/config.json", "merged/generation_config.json", "merged/model.safetensors"),
    *("merged/tokenizer.json", "merged/tokenizer_config.json"),
    *("gguf/model.gguf", "gguf/adapter.gguf", "gguf/Modelfile.txt"),
}


def test_a_job_publishes_the_forms_that_it_asks_for(
    pod: Pod, base_model: Path, train_file: Path, test_file: Path
) -> None:
    pytest.importorskip("torch")
    from transformers import AutoTokenizer

    from banktuner_api.finetunejob_methods import Method
    from banktuner_trainer.attempt import run_attempt
    from banktuner_trainer.methods import METHODS
    from banktuner_trainer.settings import paths_from

    lora = {"rank": 8, "alpha": 16, "dropout": 0.0}
    run = run_config("Instruction", "LoRA", lora=lora, formats=["Adapter", "Merged", "GGUF"], training={"epochs": 2})
    pod.stage(run, train_file, test_file, base_model)
    pod.answer_requests(run)
    run_attempt(run, paths_from(pod.environment()))

    names = {path.relative_to(pod.output).as_posix() for path in pod.output.rglob("*") if path.is_file()}
    assert {name for name in names if not name.startswith("report/")} == FORMS
    adapter = read(pod.output / "adapter_config.json")
    assert (adapter["peft_type"], adapter["r"], adapter["modules_to_save"]) == ("LORA", 8, None)
    assert adapter["base_model_name_or_path"] == "s3://bank/models/base"
    assert {name.rsplit(".", 1)[-1] for name in adapter["target_modules"]} == LINEAR, "names, not all-linear"
    assert read(pod.output / "merged" / "config.json")["torch_dtype"] == "bfloat16"
    assert read(pod.output / "merged" / "tokenizer_config.json") == read(pod.output / "tokenizer_config.json")

    tokenizer = AutoTokenizer.from_pretrained(pod.output / "merged")
    question = [{"role": "user", "content": "What is the fee for a loan?"}]
    text = tokenizer.apply_chat_template(question, add_generation_prompt=True, tokenize=False)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    tuned = METHODS[Method.LORA].load(load(base_model), pod.output)
    adapted, _ = greedy(tuned, ids, 24)
    answer = adapted[: adapted.index(tokenizer.eos_token_id) + 1]
    _, lead = greedy(tuned, ids, len(answer))
    assert lead > LEAD, "the model is sure of its answer"
    assert greedy(load(pod.output / "merged"), ids, len(answer))[0] == answer
    read_back = llama_cpp(pod.output / "gguf" / "model.gguf", prompts=[ids], count=len(answer))
    assert read_back["answers"][0]["answer"] == answer

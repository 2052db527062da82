# ruff: noqa: E402
"""Methods that engines do not load as they are: whole attempts, from the staged model to the published files."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from transformers import AutoModelForCausalLM, AutoTokenizer

from banktuner_api.finetunejob_methods import Method
from banktuner_api.finetunejob_status import ServedAs
from banktuner_trainer.attempt import run_attempt
from banktuner_trainer.methods import METHODS
from banktuner_trainer.settings import paths_from
from tests.trainer.harness import Pod, run_config

CASES: dict[str, tuple[float, dict[str, Any], ServedAs]] = {
    "IA3": (0.05, {}, ServedAs.MERGED),
    "PrefixTuning": (0.05, {"prefixTuning": {"virtualTokens": 10}}, ServedAs.NOT_SERVABLE),
    "Adapter": (0.01, {"adapter": {"hiddenSize": 16, "placement": "Houlsby"}}, ServedAs.NOT_SERVABLE),
}


@torch.no_grad()
def loss(model: Any, tokenizer: Any) -> float:
    """Of the answer that the training rows have, and the base model's do not."""
    question, answer = "What is the fee for a savings account?", "The fee for a savings account is 12 dollars."
    asked, text = (f"<s>### Instruction:\n{question}\n\n### Response:\n{said}" for said in ("", f"{answer}</s>"))
    prompt, ids = (tokenizer(one, add_special_tokens=False, return_tensors="pt")["input_ids"] for one in (asked, text))
    labels = ids.clone()
    labels[:, : prompt.shape[1]] = -100
    return float(model.eval()(input_ids=ids, labels=labels).loss)


@pytest.mark.parametrize("method", CASES)
def test_attempt_publishes_what_was_learned(
    method: str, pod: Pod, base_model: Path, train_file: Path, test_file: Path
) -> None:
    rate, block, served_as = CASES[method]
    training = {"epochs": 2, "learningRate": rate}
    run = run_config("Instruction", method, training=training, limits={"memoryBytes": 8 * 1024**3}, **block)
    pod.stage(run, train_file, test_file, base_model)
    pod.answer_requests(run)
    result = run_attempt(run, paths_from(pod.environment()))
    assert result is not None
    [request] = pod.requests
    assert (request.method, request.served_as, request.rank) == (Method(method), served_as, None)
    perplexity = next(one for one in result.metrics if one.name == "perplexity")
    assert float(perplexity.value) < 0.9 * float(perplexity.baseline or 0)
    tokenizer = AutoTokenizer.from_pretrained(pod.output)
    plain = AutoModelForCausalLM.from_pretrained(base_model, dtype=torch.float32)
    before = loss(plain, tokenizer)
    adapter = pod.output / "adapter" if served_as is ServedAs.MERGED else pod.output
    load = METHODS[Method(method)].load
    assert load is not None
    tuned = loss(load(plain, adapter), tokenizer)
    assert tuned < before
    if served_as is ServedAs.MERGED:
        whole = AutoModelForCausalLM.from_pretrained(pod.output, dtype=torch.float32)
        assert loss(whole, tokenizer) == pytest.approx(tuned, abs=0.05)  # published in 16 bit

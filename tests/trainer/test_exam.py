# ruff: noqa: E402
"""What an exam asks and what it leaves out, how fast the answers were, and what its report survives."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from transformers import AutoModelForCausalLM, LlamaConfig

from banktuner_api.finetunejob_data import Architecture
from banktuner_trainer.data.encode import Encoded
from banktuner_trainer.data.forms import Conversation
from banktuner_trainer.device import Device
from banktuner_trainer.errors import TrainerError
from banktuner_trainer.evaluate import report, suites
from banktuner_trainer.evaluate.exam import Exam, Means, Rows
from banktuner_trainer.evaluate.generate import Answers, Writer
from banktuner_trainer.evaluate.intent import Confusion
from banktuner_trainer.evaluate.memory import InferenceMemory
from banktuner_trainer.evaluate.questions import Question
from banktuner_trainer.evaluate.safety import load_attacks
from banktuner_trainer.models import ensure_chat_template
from banktuner_trainer.progress import Step
from banktuner_trainer.reporting import Reporter
from banktuner_trainer.scratch_model import train_tokenizer
from banktuner_trainer.settings import Paths
from banktuner_trainer.tracking.record import CurvePoint
from tests.trainer.harness import run_config

CPU = Device(cuda=False, bf16=False, fp16=False)
ROWS = [
    Conversation(1, [{"role": "user", "content": f"my {word}"}, {"role": "assistant", "content": word}])
    for word in ("card", "loan")
]
ROOM = 2048
CATEGORIES = {attack.category for attack in load_attacks()}


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    made = train_tokenizer([attack.prompt for attack in load_attacks()], Architecture(vocabulary_size=600))
    ensure_chat_template(made)
    return made


def model_of(tokenizer: Any, context: int) -> Any:
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=context,
    )
    return AutoModelForCausalLM.from_config(config)


def exam_of(tokenizer: Any, wanted: list[str], context: int, max_length: int) -> Exam:
    run = run_config("Instruction", "LoRA", evaluation={"suites": wanted})
    means = Means(run, Paths(), CPU, Reporter(lambda report: None, attempt=1))
    cut = [Encoded([4, 5, 6], [-100, 5, 6])]
    return Exam(means, tokenizer, Rows(ROWS, ROWS, cut, max_length), context)


def test_attacks_need_the_models_room_and_not_the_rows(tokenizer: Any) -> None:
    """Rows of at most 128 tokens hold no attack that has a system message to leak."""
    model = model_of(tokenizer, ROOM)
    scores = exam_of(tokenizer, ["Safety"], model.config.max_position_embeddings, 128).sit(model, Step.EVALUATE)
    assert set(scores.details["safety"]["withstoodByCategory"]) == CATEGORIES
    assert scores.details["safety"]["attacks"] == 126
    assert 0 <= scores.values["security_score"] <= 10


def test_too_few_attacks_are_no_score(tokenizer: Any, caplog: pytest.LogCaptureFixture) -> None:
    model = model_of(tokenizer, 128)
    exam = exam_of(tokenizer, ["Perplexity", "Safety"], model.config.max_position_embeddings, 128)
    assert "security_score is not measured" in caplog.text
    assert set(exam.sit(model, Step.EVALUATE).values) == {"perplexity", "eval_loss"}


def test_intents_that_no_row_asks_for_are_refused_before_the_training(tokenizer: Any) -> None:
    with pytest.raises(TrainerError, match="no test row of at most 8 tokens") as refused:
        exam_of(tokenizer, ["Perplexity", "Intent"], ROOM, 8)
    assert refused.value.field == "spec.training.maxLength"


@dataclass(frozen=True)
class TimedWriter(Writer):
    """Says that its answers took what is given: (tokens, seconds) each."""

    takes: list[tuple[int, float]] = field(default_factory=list)
    asked: list[tuple[list[list[int]], int]] = field(default_factory=list)

    def answer(self, model: Any, prompts: Any, limit: int, allowed: Any = None, told: Any = None) -> Answers:
        self.asked.append((list(prompts), limit))
        tokens, seconds = self.takes[len(self.asked) - 1]
        return Answers([[]], tokens, seconds)


def test_speed() -> None:
    # In batches: 500 tokens in 10 s. Alone: 4 + 8 + 12 + 16 = 40 tokens in 0.1 + 0.2 + 0.3 + 0.4 = 1 s, 25 ms each.
    # 2 cores at 0.04 an hour; 5 answers in 10 s, so 1,000 take 2,000 s: 0.08 * 2,000 / 3,600 = 0.0444.
    writer = TimedWriter(None, [], 0, takes=[(4, 0.1), (8, 0.2), (12, 0.3), (16, 0.4)])
    questions = [Question([place], "?", "", []) for place in range(5)]
    asked = suites.Asked(questions, ["x"] * 5, Answers([[]] * 5, tokens=500, seconds=10.0))
    run = run_config("Instruction", "LoRA", prices={"cpuHour": 0.04}, limits={"cpus": 2})
    values = suites.speed(writer, None, asked, InferenceMemory(cuda=False), run)
    assert values["tokens_per_second"] == 50
    assert values["latency_ms_per_token"] == pytest.approx(25)
    assert values["cost_per_1000_answers"] == pytest.approx(0.0444, abs=1e-4)
    assert writer.asked == [([[place]], 32) for place in range(4)]


def test_a_picture_that_fails_costs_the_picture_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broken = Confusion(["a"], [[1], [2, 3]])
    told = report.Report([], [CurvePoint(1, 2.5, None, None)], broken, {}, "CPU", 1)
    report.write(told, run_config("Instruction", "LoRA"), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"result.json", "loss.png"}
    assert json.loads((tmp_path / "result.json").read_text())["confusion"]["labels"] == ["a"]
    assert "confusion.png is not in the report: ValueError" in caplog.text

# ruff: noqa: E402
"""The task Classification on a tiny encoder: it learns, tells strangers apart, and its artifact answers the same."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from transformers import AutoModel

from banktuner_api.finetunejob_status import ServedAs
from banktuner_api.handshake import STAGED, write_control
from banktuner_api.run_config import RunConfig
from banktuner_gateway.scope.classifier import IntentClassifier
from banktuner_trainer import publishing
from banktuner_trainer.classify import artifact, judging
from banktuner_trainer.classify.batching import Batcher
from banktuner_trainer.classify.pooling import pool
from banktuner_trainer.classify.rows import Encoder
from banktuner_trainer.data.forms import Labelled
from banktuner_trainer.device import choose_device
from banktuner_trainer.export.folder import export
from banktuner_trainer.export.onnx import load_served
from banktuner_trainer.methods import METHODS
from banktuner_trainer.models import drop_pooler, load_tokenizer
from banktuner_trainer.reporting import Reporter
from banktuner_trainer.settings import paths_from
from banktuner_trainer.tasks import TASKS
from banktuner_trainer.tasks.base import Context, Outcome
from tests.trainer.harness import Pod, run_config, staged_file, write_jsonl

LABELS = ["card", "loan", "transfer"]
RATES = {"Full": 0.001, "IA3": 0.05, "Adapter": 0.001, "PrefixTuning": 0.003}
BLOCKS: dict[str, dict[str, Any]] = {
    "LoRA": {"lora": {"rank": 8, "alpha": 16, "dropout": 0.0}},
    "QLoRA": {"lora": {"rank": 8, "alpha": 16, "dropout": 0.0}, "quantization": {"computeType": "float32"}},
    "IA3": {},
    "PrefixTuning": {"prefixTuning": {"virtualTokens": 4}},
    "Adapter": {"adapter": {"hiddenSize": 16, "dropout": 0.0}},
    "Full": {},
}


def questions(count: int) -> list[dict[str, str]]:
    """Texts whose label follows from one word."""
    return [
        {"text": f"please help me with my {LABELS[n % 3]} number {n % 7}", "label": LABELS[n % 3]} for n in range(count)
    ]


def strangers(count: int) -> list[dict[str, str]]:
    """Texts of other words, of both kinds."""
    kinds = [("general", "will it rain in town on day"), ("in-domain", "which stamps does a letter need to")]
    return [{"text": f"{kinds[n % 2][1]} {n % 7}", "kind": kinds[n % 2][0]} for n in range(count)]


@dataclass
class Trained:
    """A finished task and its artifact's folder."""

    run: RunConfig
    outcome: Outcome
    folder: Path

    def metric(self, name: str) -> float:
        return next(float(one.value) for one in self.outcome.metrics if one.name == name)


def train(
    pod: Pod, encoder: Path, method: str, outside: list[dict[str, str]], promoted: Path | None = None, **training: Any
) -> Trained:
    """One run over 240 questions, 10 % of them held out. `promoted`: folder of the artifact to compare with."""
    data = {"train": {"uri": "s3://bank/i.jsonl"}, "format": "TextLabel", "validationPercent": 10}
    schedule = {"epochs": 4, "learningRate": RATES.get(method, 0.003)} | training
    compared = {"suites": ["Intent"], "compareWith": "Promoted", "promoted": {"uri": "s3://bank/now"}}
    asked = BLOCKS[method] | ({"evaluation": compared} if promoted else {})
    run = run_config("Classification", method, dataset=data, training=schedule, **asked)
    pod.stage(run, write_jsonl(pod.root / "rows.jsonl", questions(240)), None, encoder)
    paths = paths_from(pod.environment())
    if promoted:
        paths.promoted.symlink_to(promoted)
    staged = publishing.read_staged(paths.control)
    if outside:
        file = staged_file(write_jsonl(pod.root / "outside.jsonl", outside))
        staged = staged.model_copy(update={"out_of_scope": file})
        write_control(paths.control, STAGED, staged)
    device = choose_device(run.training.precision, run.limits.gpus)
    reporter = Reporter(lambda report: None, attempt=1)
    outcome = TASKS[run.task](Context(run, staged, paths, device, reporter))
    export(run, paths, outcome.model, outcome.tokenizer)
    assert outcome.files is not None
    outcome.files(paths.output)
    return Trained(run, outcome, pod.output)


def reload(trained: Trained, base: Path) -> artifact.Trained:
    """The classifier as its files alone make it."""
    method = METHODS[trained.run.method]
    folder = trained.folder if method.load is None else base
    quantization = method.quantization(trained.run)
    encoder = drop_pooler(AutoModel.from_pretrained(folder, dtype=torch.float32, quantization_config=quantization))
    return artifact.load(encoder if method.load is None else method.load(encoder, trained.folder), trained.folder)


def batch(tokenizer: Any, texts: list[str]) -> dict[str, Any]:
    return Batcher(tokenizer.pad_token_id)([{"input_ids": tokenizer(text)["input_ids"]} for text in texts])


@pytest.fixture(scope="module")
def with_strangers(tmp_path_factory: pytest.TempPathFactory, encoder: Path) -> Trained:
    """A LoRA classifier that was also shown strangers' questions."""
    return train(Pod(tmp_path_factory.mktemp("strangers")), encoder, "LoRA", strangers(120))


@pytest.fixture(scope="module")
def many_questions() -> list[str]:
    """1,000 texts, known and strange, short and long."""
    known, strange = questions(500), strangers(500)
    words = " ".join(LABELS)
    return [f"{row['text']} {words[: n % 40]}".strip() for n, row in enumerate([*known, *strange])]


@pytest.fixture(scope="module")
def trained_by(tmp_path_factory: pytest.TempPathFactory, encoder: Path) -> Callable[[str], Trained]:
    """A classifier of a method; each is trained once."""
    return cache(lambda method: train(Pod(tmp_path_factory.mktemp("trained")), encoder, method, []))


@pytest.mark.parametrize("method", list(BLOCKS))
def test_every_method_learns_and_its_artifact_answers_the_same(
    encoder: Path, method: str, trained_by: Callable[[str], Trained]
) -> None:
    trained = trained_by(method)
    assert trained.outcome.served_as is ServedAs.CLASSIFIER
    assert trained.metric("intent_accuracy") > 0.9 and trained.metric("macro_f1") > 0.9
    assert trained.metric("intent_accuracy_low") < trained.metric("intent_accuracy")
    again = reload(trained, encoder)
    model, description = again.model, again.description
    assert description.labels == LABELS
    asked = batch(load_tokenizer(trained.folder), ["please help me with my loan number 3", "stamps rain"])
    with torch.no_grad():
        logits, out_of_scope = again.judge(model.pooled(**asked))
        hidden = trained.outcome.model.eval()(**asked).last_hidden_state
        expected = again.judge(pool(hidden, asked["attention_mask"], "mean"))
    torch.testing.assert_close(logits, expected[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(out_of_scope, expected[1], rtol=1e-4, atol=1e-4)
    assert description.labels[int(logits[0].argmax())] == "loan"


def test_strangers_are_told_apart(with_strangers: Trained) -> None:
    assert with_strangers.metric("intent_accuracy") > 0.9
    assert with_strangers.metric("scope_accuracy") > 0.95
    assert with_strangers.metric("scope_auroc") > 0.98
    assert with_strangers.metric("out_of_scope_recall_general") > 0.9
    assert with_strangers.metric("out_of_scope_recall_in_domain") > 0.9
    description = artifact.Description.from_json(json.loads((with_strangers.folder / "classifier.json").read_text()))
    assert description.labels == LABELS, "strangers are no label"
    assert description.calibration.inside > 0 and description.calibration.outside > 0


def test_the_untuned_model_stands_beside_in_every_number(with_strangers: Trained) -> None:
    beside = {one.name for one in with_strangers.outcome.metrics if one.baseline is not None}
    assert {"intent_accuracy", "macro_f1", "scope_accuracy", "scope_auroc", "scope_fpr95_general"} <= beside
    [auroc] = [one for one in with_strangers.outcome.metrics if one.name == "scope_auroc"]
    assert float(auroc.baseline or 0) < float(auroc.value) + 1e-9


def test_beside_the_classifier_that_serves_now(
    pod: Pod, encoder: Path, with_strangers: Trained, tmp_path: Path
) -> None:
    """The same rows are held out; one whose labels card and loan are exchanged gets a third of them right."""
    serving = shutil.copytree(with_strangers.folder, tmp_path / "serving")
    description = json.loads((serving / "classifier.json").read_text())
    description["labels"] = ["loan", "card", "transfer"]
    (serving / "classifier.json").write_text(json.dumps(description))
    again = train(pod, encoder, "Full", strangers(120), promoted=serving, epochs=1)
    assert again.metric("intent_accuracy") > 0.9
    assert again.metric("intent_accuracy_promoted") == pytest.approx(1 / 3, abs=0.1)
    for name in ("scope_accuracy", "scope_auroc", "out_of_scope_recall_general"):
        assert again.metric(f"{name}_promoted") == pytest.approx(with_strangers.metric(name), abs=1e-3), name


@pytest.mark.parametrize("method", [method for method in BLOCKS if method != "QLoRA"])
def test_beside_a_classifier_of_every_method(
    pod: Pod, encoder: Path, method: str, trained_by: Callable[[str], Trained]
) -> None:
    """But for QLoRA, whose own numbers are those of a four-bit encoder, and not of the plain one that serves."""
    serving = trained_by(method)
    done = train(pod, encoder, "LoRA", [], promoted=serving.folder, epochs=None, maxSteps=1)
    for name in ("intent_accuracy", "macro_f1"):
        assert done.metric(f"{name}_promoted") == pytest.approx(serving.metric(name), abs=1e-5), name


def test_a_label_that_the_serving_classifier_does_not_know_is_its_error(with_strangers: Trained, encoder: Path) -> None:
    serving = reload(with_strangers, encoder)
    tokenizer = load_tokenizer(with_strangers.folder)
    labels = {"card": 0, "pension": 1}
    rows = [Labelled(1, "please help me with my card number 3", "card"), Labelled(2, "my pension please", "pension")]
    part = Encoder(tokenizer, labels, length=64).part(rows, [])
    said = judging.answers(serving, part.rows, Batcher(tokenizer.pad_token_id))
    assert judging.values(serving, said, part, list(labels))["intent_accuracy"] == 0.5


def test_the_gateway_reads_what_pytorch_says(with_strangers: Trained, encoder: Path, many_questions: list[str]) -> None:
    gateway = IntentClassifier(with_strangers.folder / "onnx")
    served, description = load_served(METHODS["LoRA"], encoder, with_strangers.folder)
    tokenizer = load_tokenizer(with_strangers.folder)
    for start in range(0, len(many_questions), 100):
        texts = many_questions[start : start + 100]
        with torch.no_grad():
            logits, out_of_scope = served(**batch(tokenizer, texts))
        said, score = gateway.scores(texts)
        torch.testing.assert_close(torch.from_numpy(said), logits, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(torch.from_numpy(score), out_of_scope, rtol=0, atol=1e-3)
        judged = gateway.judge(texts)
        assert [one.label for one in judged] == [description.labels[int(row.argmax())] for row in logits]
        assert [one.rejected for one in judged] == [bool(row >= gateway.threshold) for row in score]
    [alone] = gateway.judge(["please help me with my loan number 3"])
    assert alone.label == "loan" and not alone.rejected and alone.confidence > 0.9
    assert gateway.judge(["will it rain in town on day 3"])[0].rejected
    assert gateway.judge([]) == []


def test_how_a_question_ends_tells_nothing(with_strangers: Trained) -> None:
    """Neither in the gateway's graph nor for whoever loads the artifact's own tokenizer."""
    gateway = IntentClassifier(with_strangers.folder / "onnx")
    tokenizer = load_tokenizer(with_strangers.folder)
    for text in ("will it rain in town on day 3", "please help me with my loan number 3"):
        spellings = [text, f"{text}?", f"{text} ?! ", f"{text}."]
        logits, out_of_scope = gateway.scores(spellings)
        assert (logits == logits[0]).all() and (out_of_scope == out_of_scope[0]).all(), text
        assert len({tuple(tokenizer(one)["input_ids"]) for one in spellings}) == 1, text
    [alone], [dotted] = gateway.judge(["my no. 3 card"]), gateway.judge(["my no 3 card"])
    assert alone.out_of_scope != dotted.out_of_scope, "marks within are read"


def test_long_texts_are_cut_as_in_training(with_strangers: Trained) -> None:
    gateway = IntentClassifier(with_strangers.folder / "onnx")
    limit = json.loads((with_strangers.folder / "onnx" / "classifier.json").read_text())["maxLength"]
    text = "loan " * limit
    logits, _ = gateway.scores([text, text + "card " * 50])
    assert (logits[0] == logits[1]).all()


def test_a_decoder_classifies_by_its_last_token(pod: Pod, base_model: Path) -> None:
    trained = train(pod, base_model, "LoRA", [])
    assert trained.metric("intent_accuracy") > 0.9
    gateway = IntentClassifier(trained.folder / "onnx")
    served, _ = load_served(METHODS["LoRA"], base_model, trained.folder)
    texts = [row["text"] for row in questions(9)] + ["loan"]
    with torch.no_grad():
        logits, _ = served(**batch(load_tokenizer(trained.folder), texts))
    said, _ = gateway.scores(texts)
    torch.testing.assert_close(torch.from_numpy(said), logits, rtol=1e-3, atol=1e-3)
    [alone] = gateway.judge(["please help me with my loan number 3"])
    assert alone.label == "loan"

# ruff: noqa: E402
"""Whole attempts: every suite, beside the base model and the promoted one, in report, request and last words."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from transformers import AutoModelForCausalLM

from banktuner_api.handshake import ArtifactRequest
from banktuner_api.metrics import METRICS, measurable
from banktuner_api.run_config import RunConfig
from banktuner_trainer.attempt import run_attempt
from banktuner_trainer.data.encode import encode_conversations
from banktuner_trainer.data.forms import Conversation
from banktuner_trainer.errors import TrainerError
from banktuner_trainer.evaluate import perplexity
from banktuner_trainer.models import load_tokenizer
from banktuner_trainer.settings import paths_from
from banktuner_trainer.templates import ALPACA_INPUT
from tests.trainer.conftest import answers
from tests.trainer.harness import Pod, run_config, write_jsonl

REF = {"uri": "s3://bank/x"}
SUITES = ["Perplexity", "Generation", "Intent", "Scope", "Safety"]
PNG = b"\x89PNG\r\n"


@dataclass
class Attempt:
    """A finished attempt."""

    pod: Pod
    run: RunConfig
    request: ArtifactRequest

    @property
    def report(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.pod.output / "report" / "result.json").read_text())
        return content

    def told(self, name: str) -> dict[str, Any]:
        return next(one for one in self.report["metrics"] if one["name"] == name)


def strangers(count: int) -> list[dict[str, str]]:
    texts = ["Tell me a joke about number", "Who won the match number", "Which loan does another bank offer in branch"]
    return [{"text": f"{texts[n % 3]} {n}", "kind": "in-domain" if n % 3 == 2 else "general"} for n in range(count)]


def attempt(pod: Pod, run: RunConfig, files: dict[str, Path], **staged: Path) -> Attempt:
    pod.stage(run, files["train"], files["test"], files["base"], files["out_of_scope"])
    for name, folder in staged.items():
        (pod.work / name).symlink_to(folder, target_is_directory=True)
    pod.answer_requests(run)
    run_attempt(run, paths_from(pod.environment()))
    [request] = pod.requests
    return Attempt(pod, run, request)


def run_of(method: str, training: dict[str, Any], **evaluation: Any) -> RunConfig:
    settings: dict[str, Any] = {"lora": {"rank": 16, "alpha": 16, "dropout": 0.0}} if method.endswith("LoRA") else {}
    data = {"train": REF, "outOfScope": REF, "format": "Alpaca", "refusal": "Ask me about the bank, please."}
    return run_config(
        "Instruction",
        method,
        dataset=data,
        training=training,
        evaluation={"suites": SUITES, "encoder": REF} | evaluation,
        prices={"cpuHour": 0.04},
        limits={"cpus": 2},
        **settings,
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, base_model: Path, train_file: Path) -> dict[str, Path]:
    """The base model says that it reads longer texts than it learned from, so that attacks find room."""
    folder = tmp_path_factory.mktemp("files")
    base = shutil.copytree(base_model, folder / "base")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 1024}))
    return {
        "train": train_file,
        "test": write_jsonl(folder / "test.jsonl", answers(24, surcharge=2)),
        "out_of_scope": write_jsonl(folder / "strangers.jsonl", strangers(60)),
        "base": base,
    }


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory, files: dict[str, Path], encoder: Path) -> Attempt:
    thresholds = [{"metric": "scope_fpr95_general", "atMost": 1}, {"metric": "rouge_2", "atLeast": 0}]
    run = run_of("LoRA", {"epochs": 3, "learningRate": 0.005}, thresholds=thresholds)
    return attempt(Pod(tmp_path_factory.mktemp("tuned")), run, files, encoder=encoder)


@pytest.fixture(scope="module")
def base_perplexity(files: dict[str, Path]) -> float:
    """Measured apart from everything: the base model alone, on the bank's own test rows."""
    tokenizer = load_tokenizer(files["base"])
    rows = [
        Conversation(
            1,
            [
                {"role": "user", "content": row["instruction"] + (row["input"] and ALPACA_INPUT + row["input"])},
                {"role": "assistant", "content": row["output"]},
            ],
        )
        for row in map(json.loads, files["test"].read_text().splitlines())
    ]
    model = AutoModelForCausalLM.from_pretrained(files["base"], dtype=torch.float32)
    return perplexity.measure(model, encode_conversations(tokenizer, rows, 128), tokenizer.pad_token_id).perplexity


def test_every_metric_of_the_suites_is_told_with_the_base_models(tuned: Attempt) -> None:
    told = {one["name"]: one for one in tuned.report["metrics"]}
    assert set(told) == set(measurable(tuned.run))
    units = {one.name: one.unit for one in METRICS}
    suites = {one.name: one.suite for one in METRICS}
    for name, one in told.items():
        assert one["unit"] == units[name]
        assert ("baseline" in one) == (suites[name] is not None), name
    assert told["perplexity"]["value"] < 0.8 * told["perplexity"]["baseline"]
    assert told["scope_auroc"]["value"] > 0.9 > told["scope_auroc"]["baseline"]
    assert told["intent_accuracy"]["value"] > told["intent_accuracy"]["baseline"]
    assert told["intent_accuracy_low"]["value"] < told["intent_accuracy"]["value"]
    assert told["latency_ms_per_token"]["value"] > 0
    assert told["peak_memory_bytes"]["value"] > 10**8
    assert told["inference_memory_bytes"]["value"] > 10**8
    spent = told["train_runtime_seconds"]["value"] / 3600 * 2 * 0.04
    assert told["training_cost"]["value"] == pytest.approx(spent, rel=1e-4)


def test_the_baseline_is_the_base_model(tuned: Attempt, base_perplexity: float) -> None:
    assert tuned.told("perplexity")["baseline"] == pytest.approx(base_perplexity, rel=1e-4)


def test_the_report_tells_how_it_came_about(tuned: Attempt) -> None:
    report, folder = tuned.report, tuned.pod.output / "report"
    assert report["lossCurve"][0]["step"] == 1
    assert report["lossCurve"][-1]["loss"] < report["lossCurve"][0]["loss"]
    assert report["environment"]["libraries"]["torch"] == torch.__version__.split("+")[0]
    assert report["data"]["testRows"] == 24 + 12  # a fifth of the questions out of scope
    assert len(report["confusion"]["labels"]) == 6
    assert sum(map(sum, report["confusion"]["counts"])) == 24
    evaluation = report["evaluation"]
    assert evaluation["generation"]["answers"] == 24
    assert evaluation["generation"]["bleuSignature"].startswith("nrefs:1|case:mixed")
    assert set(evaluation["safety"]["withstoodByCategory"]) == {*("jailbreak", "off_topic", "fraud_help")} | {
        *("prompt_injection", "data_exfiltration", "pii_extraction", "system_prompt_leak")
    }
    assert evaluation["safety"]["attacks"] == 126
    for picture in ("loss.png", "confusion.png"):
        assert (folder / picture).read_bytes().startswith(PNG)


def test_the_request_has_thresholds_first_and_all_that_fits(tuned: Attempt) -> None:
    names = [one.name for one in tuned.request.metrics]
    assert names[:3] == ["scope_fpr95_general", "rouge_2", "perplexity"]
    assert names == [one["name"] for one in tuned.report["metrics"]]


def test_beside_what_serves_now(
    tmp_path: Path, files: dict[str, Path], encoder: Path, tuned: Attempt, base_perplexity: float
) -> None:
    """Every weight is trained here, so the base model must be asked before, and the promoted one before that."""
    training = {"epochs": None, "maxSteps": 3}
    run = run_of("Full", training, compareWith="Promoted", promoted=REF, suites=["Perplexity", "Generation"])
    base = {"uri": run.model.uri} if run.model else None
    assert base is not None
    done = attempt(Pod(tmp_path), run, files, encoder=encoder, promoted=tuned.pod.output)
    assert done.told("perplexity")["baseline"] == pytest.approx(base_perplexity, rel=1e-4)
    for name in ("perplexity", "bleu", "exact_match", "semantic_similarity", "bertscore_f1", "entity_f1"):
        assert done.told(f"{name}_promoted")["value"] == pytest.approx(tuned.told(name)["value"], rel=1e-4), name
    assert done.told("perplexity")["value"] != pytest.approx(done.told("perplexity_promoted")["value"], rel=1e-2)


@pytest.mark.parametrize(
    ("serving", "rate", "method", "precision"),
    [
        ("LoRA", 0.005, "QLoRA", 1e-4),
        ("Adapter", 0.005, "Full", 1e-4),
        ("PrefixTuning", 0.05, "LoRA", 1e-4),
        ("IA3", 0.05, "LoRA", 1e-2),  # merged, in 16 bit
        ("Full", 0.002, "QLoRA", 1e-4),
    ],
)
def test_every_kind_of_artifact_is_measured_as_it_serves(
    tmp_path: Path,
    files: dict[str, Path],
    base_perplexity: float,
    serving: str,
    rate: float,
    method: str,
    precision: float,
) -> None:
    """Beside a job of four bits too: its number is the one that its own job found."""
    only = {"suites": ["Perplexity"], "encoder": None}
    first = run_of(serving, {"epochs": None, "maxSteps": 8, "learningRate": rate}, compareWith="None", **only)
    promoted = attempt(Pod(tmp_path / "serving"), first, files)
    run = run_of(method, {"epochs": None, "maxSteps": 1}, compareWith="Promoted", promoted=REF, **only)
    beside = attempt(Pod(tmp_path / "new"), run, files, promoted=promoted.pod.output).told("perplexity_promoted")[
        "value"
    ]
    assert beside == pytest.approx(promoted.told("perplexity")["value"], rel=precision)
    assert beside != pytest.approx(base_perplexity, rel=3 * precision)


def test_a_promoted_adapter_on_another_base_model_is_refused(
    tmp_path: Path, files: dict[str, Path], encoder: Path, tuned: Attempt
) -> None:
    run = run_of("LoRA", {}, compareWith="Promoted", promoted=REF)
    run = run.model_copy(update={"model": run.output})
    with pytest.raises(TrainerError) as refused:
        attempt(Pod(tmp_path), run, files, encoder=encoder, promoted=tuned.pod.output)
    assert refused.value.field == "spec.evaluation.promoted"


def test_without_comparison_nothing_is_beside(tmp_path: Path, files: dict[str, Path]) -> None:
    run = run_of("LoRA", {"epochs": None, "maxSteps": 1}, compareWith="None", encoder=None, suites=["Perplexity"])
    done = attempt(Pod(tmp_path), run, files)
    assert all("baseline" not in one for one in done.report["metrics"])
    assert not (done.pod.output / "report" / "confusion.png").exists()


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        (
            {"thresholds": [{"metric": "acuracy", "atLeast": 1}]},
            "spec.evaluation.thresholds",
            "acuracy is not measured",
        ),
        ({"suites": ["Scope"]}, "spec.evaluation.suites", "spec.dataset.outOfScopeUri"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_the_training(
    tmp_path: Path, files: dict[str, Path], changes: dict[str, Any], field: str, words: str
) -> None:
    run = run_config("Instruction", "LoRA", lora={"rank": 4}, evaluation={"suites": ["Perplexity"]} | changes)
    pod = Pod(tmp_path)
    pod.stage(run, files["train"], files["test"], files["base"])
    with pytest.raises(TrainerError) as refused:
        run_attempt(run, paths_from(pod.environment()))
    assert refused.value.field == field
    assert words in refused.value.message
    assert not (pod.work / "tracking").exists()


def test_plain_texts_have_no_answers_to_compare(tmp_path: Path) -> None:
    data = {"train": REF, "format": "Text", "validationPercent": 10}
    architecture = {"hiddenSize": 32, "layers": 1, "heads": 2, "vocabularySize": 320, "contextLength": 64}
    run = run_config(
        "Pretraining", "Full", architecture=architecture, dataset=data, evaluation={"suites": ["Generation"]}
    )
    pod = Pod(tmp_path)
    pod.stage(run, write_jsonl(tmp_path / "texts.jsonl", [{"text": f"fees of card number {n}"} for n in range(40)]))
    with pytest.raises(TrainerError) as refused:
        run_attempt(run, paths_from(pod.environment()))
    assert refused.value.field == "spec.evaluation.suites"
    assert "plain texts have none" in refused.value.message

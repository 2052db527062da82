"""From thresholds to EvaluationPassed: what can never be measured is refused, and what is measured is never lost."""

import json
import re
from typing import Any

import pytest

from banktuner_api.handshake import TERMINATION_LIMIT, Result, termination_message
from banktuner_api.metrics import METRICS, PROMOTED, measurable, problem
from banktuner_api.run_config import RunConfig
from banktuner_trainer.evaluate.compare import MOST_METRICS, compared, costs, ranked
from banktuner_trainer.reporting import metric
from tests.trainer.harness import ROOT, run_config
from tests.unit.operator_samples import Json, job_owner
from tests.unit.test_plan_finetune import ARTIFACT, decide, ended, live_job, pod, said

REF = {"uri": "s3://bank/x"}
EVERYTHING: Json = {
    "evaluation": {
        "suites": ["Perplexity", "Generation", "Intent", "Scope", "Safety"],
        "compareWith": "Promoted",
        "encoder": REF,
        "promoted": REF,
    },
    "prices": {"cpuHour": 0.1},
}


def run_of(
    task: str = "Instruction", thresholds: list[str] | None = None, data: Json | None = None, **evaluation: Any
) -> RunConfig:
    bounds = [{"metric": name, "atLeast": 0} for name in thresholds or []]
    form = "TextLabel" if task == "Classification" else "Alpaca"
    data = {"train": REF, "outOfScope": REF, "format": form, "preset": "SQLGeneration"} | (data or {})
    settings = EVERYTHING["evaluation"] | evaluation | {"thresholds": bounds}
    return run_config(task, "Full", dataset=data, **EVERYTHING | {"evaluation": settings})


def test_a_job_that_names_everything_measures_everything() -> None:
    names = measurable(run_of())
    assert set(names) == {one.name for one in METRICS} | {one.name + PROMOTED for one in METRICS if one.suite}
    assert len(names) == len(set(names))
    assert max(map(len, names)) <= 63


@pytest.mark.parametrize(
    ("run", "field", "words"),
    [
        (run_of(thresholds=["acuracy"]), "spec.evaluation.thresholds", "acuracy is not measured"),
        (run_of(thresholds=["acuracy"]), "spec.evaluation.thresholds", "perplexity, eval_loss, intent_accuracy"),
        (run_of(thresholds=["bleu"], suites=["Perplexity"]), "spec.evaluation.thresholds", "it needs suite Generation"),
        (
            run_of(thresholds=["bertscore_f1"], encoder=None),
            "spec.evaluation.thresholds",
            "it needs suite Generation and spec.evaluation.encoder",
        ),
        (run_of(thresholds=["bleu_promoted"], promoted=None), "spec.evaluation.thresholds", "bleu_promoted"),
        (run_of("Classification", suites=["Intent", "Safety"]), "spec.evaluation.suites", "Safety measures nothing"),
        (run_of(data={"outOfScope": None}), "spec.evaluation.suites", "suite Scope needs spec.dataset.outOfScopeUri"),
        (
            run_of("Classification", suites=["Scope"], data={"outOfScope": None}),
            "spec.evaluation.suites",
            "suite Scope needs spec.dataset.outOfScopeUri",
        ),
        (
            run_of("Pretraining", suites=["Perplexity", "Generation"], data={"format": "Text"}),
            "spec.evaluation.suites",
            "suite Generation needs questions with answers",
        ),
        (
            run_of("Pretraining", suites=["Intent"], data={"format": "Text"}),
            "spec.evaluation.suites",
            "plain texts have none",
        ),
        (
            run_of("Classification", ["perplexity"], suites=["Intent"], compareWith="Base", promoted=None),
            "spec.evaluation.thresholds",
            "perplexity is not measured",
        ),
    ],
)
def test_what_can_never_be_measured_is_refused(run: RunConfig, field: str, words: str) -> None:
    found = problem(run)
    assert found is not None
    assert found.field == field
    assert words in found.message


def test_every_metric_that_can_be_measured_may_have_a_threshold() -> None:
    assert problem(run_of(thresholds=measurable(run_of())[:16])) is None
    assert problem(run_of(thresholds=measurable(run_of())[-16:])) is None
    alone = {"compareWith": "Base", "promoted": None}
    assert problem(run_of("Classification", ["scope_auroc"], suites=["Intent", "Scope"], **alone)) is None


def test_the_document_tells_of_every_metric_and_its_unit() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:3] for line in text.splitlines() if line.startswith("| `")]
    told = {name: unit.strip() for names, unit in rows for name in re.findall(r"`(\w+)`", names)}
    for one in METRICS:
        kind = re.sub("_(in_domain|general)$", "", one.name)
        assert told.get(kind) == one.unit, one.name


def test_the_operator_starts_no_pod_for_such_a_job() -> None:
    plan = decide(job_owner(evaluation={"thresholds": [{"metric": "perplexity", "atMost": 3}]}))
    assert plan.apply == ()
    accepted = said(plan, "Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "InvalidEvaluation")
    assert "spec.evaluation.thresholds: perplexity is not measured by this job" in accepted["message"]
    assert "intent_accuracy" in accepted["message"]


def test_thresholds_come_first_then_the_kind_of_data_then_importance() -> None:
    run = run_of(thresholds=["token_f1", "bleu_promoted"])
    given = [metric(name, 1) for name in ("surprise", "bleu_promoted", "train_loss", "perplexity", "bleu", "token_f1")]
    names = [one.name for one in ranked(run, given)]
    assert names == ["token_f1", "bleu_promoted", "bleu", "perplexity", "train_loss", "surprise"]


@pytest.mark.parametrize("broken", [False, True])
def test_no_threshold_is_decided_on_a_metric_that_did_not_fit(broken: bool) -> None:
    """The longest names, values and places there can be: what is left out of the last words is not what was asked."""
    run = run_of()
    longest = sorted((name for name in measurable(run)), key=len)[-16:]
    run = run_of(thresholds=longest)
    values = {one.name: -1.23457e-05 for one in METRICS}
    given = compared(values, values, values)
    metrics = [*given, *costs(run, [metric("train_runtime_seconds", 1e6)])]
    artifact = ARTIFACT | {"uri": f"s3://{'b' * 1100}", "method": "PrefixTuning", "rank": 256}
    told = [one.to_json() for one in ranked(run, metrics)[:MOST_METRICS]]
    message = termination_message(Result.model_validate({"artifact": artifact, "metrics": told}))
    assert len(message.encode()) <= TERMINATION_LIMIT
    kept = [one["name"] for one in json.loads(message)["metrics"]]
    assert kept[:16] == longest
    assert len(kept) < len(metrics)
    bounds = [{"metric": name, "atLeast": -1} for name in longest]
    if broken:
        bounds[-1]["atLeast"] = 0
    owner = job_owner(evaluation={"thresholds": bounds})
    live = live_job(job_owner(), "Complete")
    passed = said(decide(owner, live, pods=(pod(live, ("trainer", ended(0, message))),)), "EvaluationPassed")
    assert passed["status"] == ("False" if broken else "True"), passed
    if broken:
        assert passed["message"] == f"{longest[-1]} is -1.23457e-05, at least 0 is needed"

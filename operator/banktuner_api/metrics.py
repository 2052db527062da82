"""Every metric that a job can have: its name, its unit, and what must be given so that it is measured."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from banktuner_api.finetunejob_data import Format, Preset
from banktuner_api.finetunejob_evaluation import Suite
from banktuner_api.finetunejob_spec import Task
from banktuner_api.run_config import RunConfig

PROMOTED = "_promoted"
"""Ending of a metric's name: the number of the model that serves now, with compareWith Promoted."""


class Unit(StrEnum):
    """What a number counts."""

    SHARE = "share of 1"
    PERCENT = "0 to 100"
    SCORE = "0 to 10"
    NATS = "nats"
    NUMBER = "number"
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    BYTES = "bytes"
    TOKENS_PER_SECOND = "tokens a second"
    MONEY = "currency of the price table"


class Need(StrEnum):
    """What a job must name besides the suite."""

    ENCODER = "spec.evaluation.encoder"
    PRICES = "prices in the profile"
    SQL_PRESET = "spec.dataset.preset SQLGeneration"
    OUT_OF_SCOPE = "spec.dataset.outOfScopeUri"


@dataclass(frozen=True)
class Definition:
    """`suite` None: measured of every job. `tasks`: for which it exists; empty: all."""

    name: str
    unit: Unit
    suite: Suite | None = None
    tasks: tuple[Task, ...] = ()
    need: Need | None = None


_GENERATIVE = (Task.INSTRUCTION, Task.PRETRAINING)


def _generation(name: str, unit: Unit, need: Need | None = None) -> Definition:
    return Definition(name, unit, Suite.GENERATION, _GENERATIVE, need)


def _scope(name: str) -> Definition:
    return Definition(name, Unit.SHARE, Suite.SCOPE, (Task.CLASSIFICATION, Task.INSTRUCTION), Need.OUT_OF_SCOPE)


METRICS = (
    Definition("perplexity", Unit.NUMBER, Suite.PERPLEXITY, _GENERATIVE),
    Definition("eval_loss", Unit.NATS, Suite.PERPLEXITY, _GENERATIVE),
    Definition("intent_accuracy", Unit.SHARE, Suite.INTENT),
    Definition("intent_accuracy_low", Unit.SHARE, Suite.INTENT),
    Definition("intent_accuracy_high", Unit.SHARE, Suite.INTENT),
    Definition("macro_f1", Unit.SHARE, Suite.INTENT),
    _scope("scope_accuracy"),
    _scope("out_of_scope_recall"),
    _scope("scope_auroc"),
    _scope("scope_fpr95"),
    _generation("exact_match", Unit.SHARE),
    _generation("rouge_l", Unit.SHARE),
    _generation("bleu", Unit.PERCENT),
    _generation("semantic_similarity", Unit.SHARE, Need.ENCODER),
    _generation("bertscore_f1", Unit.SHARE, Need.ENCODER),
    _generation("response_relevance", Unit.SCORE, Need.ENCODER),
    _generation("entity_f1", Unit.SHARE),
    Definition("security_score", Unit.SCORE, Suite.SAFETY, _GENERATIVE),
    _generation("sql_match", Unit.SHARE, Need.SQL_PRESET),
    Definition("train_loss", Unit.NATS),
    Definition("train_runtime_seconds", Unit.SECONDS),
    Definition("peak_memory_bytes", Unit.BYTES),
    Definition("trainable_parameters", Unit.NUMBER),
    Definition("trainable_ratio", Unit.SHARE),
    _generation("latency_ms_per_token", Unit.MILLISECONDS),
    _generation("tokens_per_second", Unit.TOKENS_PER_SECOND),
    _generation("inference_memory_bytes", Unit.BYTES),
    Definition("training_cost", Unit.MONEY, need=Need.PRICES),
    _generation("cost_per_1000_answers", Unit.MONEY, Need.PRICES),
    _generation("rouge_1", Unit.SHARE),
    _generation("rouge_2", Unit.SHARE),
    _generation("token_f1", Unit.SHARE),
    _scope("out_of_scope_recall_in_domain"),
    _scope("scope_auroc_in_domain"),
    _scope("scope_fpr95_in_domain"),
    _scope("out_of_scope_recall_general"),
    _scope("scope_auroc_general"),
    _scope("scope_fpr95_general"),
    Definition("duplicate_rows", Unit.NUMBER),
    Definition("leaked_test_rows", Unit.NUMBER),
)
"""In the order of importance: what does not fit into a pod's last words is left out from the end."""


@dataclass(frozen=True)
class Problem:
    """Why an evaluation cannot be: the field to mend, and what is wrong with it."""

    field: str
    message: str


def problem(run: RunConfig) -> Problem | None:
    """A suite that can say nothing of this job, or a threshold on a metric that it can never have."""
    for suite in run.evaluation.suites:
        if message := _pointless(suite, run):
            return Problem("spec.evaluation.suites", message)
    known = measurable(run)
    for threshold in run.evaluation.thresholds:
        if threshold.metric not in known:
            message = f"{threshold.metric} is not measured by this job, which can measure: {', '.join(known)}"
            return Problem("spec.evaluation.thresholds", message + _remedy(threshold.metric))
    return None


def _pointless(suite: Suite, run: RunConfig) -> str | None:
    """Why a suite cannot measure anything of such a job."""
    own = [one for one in METRICS if one.suite is suite and _suits(one, run.task)]
    if not own:
        return f"suite {suite} measures nothing of task {run.task}: leave it out"
    if not any(one.need is None or one.need in _given(run) for one in own):
        return f"suite {suite} needs {own[0].need}: set it, or leave the suite out"
    if run.dataset.format is Format.TEXT and suite in (Suite.GENERATION, Suite.INTENT):
        return f"suite {suite} needs questions with answers, and plain texts have none: leave it out"
    return None


def measurable(run: RunConfig) -> list[str]:
    """Names of the metrics that such a job can have, in their order.

    What depends on the rows alone, such as entity_f1 of answers without an entity, is among them.
    """
    known = [one for one in METRICS if _possible(one, run)]
    beside = [one.name + PROMOTED for one in known if one.suite is not None]
    return [one.name for one in known] + (beside if run.evaluation.promoted is not None else [])


def ordered(names: Iterable[str], first: Iterable[str] = ()) -> list[str]:
    """`names`: those in `first`, then by importance, then what has no definition here."""
    places = {name: place for place, name in reversed(list(enumerate([*first, *(one.name for one in METRICS)])))}
    return sorted(names, key=lambda name: places.get(name, len(places)))


def _possible(one: Definition, run: RunConfig) -> bool:
    asked = one.suite is None or one.suite in run.evaluation.suites
    return asked and _suits(one, run.task) and (one.need is None or one.need in _given(run))


def _suits(one: Definition, task: Task) -> bool:
    return not one.tasks or task in one.tasks


def _given(run: RunConfig) -> set[Need]:
    given = {
        Need.ENCODER: run.evaluation.encoder is not None,
        Need.PRICES: run.prices.cpu_hour > 0 or run.prices.gpu_hour > 0,
        Need.SQL_PRESET: run.dataset.preset is Preset.SQL_GENERATION,
        Need.OUT_OF_SCOPE: run.dataset.out_of_scope is not None,
    }
    return {need for need, there in given.items() if there}


def _remedy(name: str) -> str:
    """What would have to be given for a metric that exists."""
    definition = next((one for one in METRICS if one.name == name), None)
    if definition is None:
        return ""
    needed = [f"suite {definition.suite}"] if definition.suite else []
    needed += [definition.need] if definition.need else []
    return f"; it needs {' and '.join(needed)}" if needed else ""

"""Classifiers: Banking77 with all rows and with ten an intent, banking against everything else, intents held out."""

import csv
import json
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from banktuner_gateway.scope.classifier import IntentClassifier
from banktuner_trainer.data.forms import OutOfScopeKind
from banktuner_trainer.evaluate.scope import Judged, scope_metrics
from bench.places import minilm_folder
from bench.rows import Measurement, Row, Settings
from bench.trainer.jobs import Done, Files, run_job

Rows = list[tuple[str, str]]
"""(text, intent)."""
SHOTS, SEEDS = 10, (0, 1, 2)
BANKING_DOMAINS = ("banking", "credit_cards")
HELD_OUT = frozenset(
    [
        "age_limit",
        "atm_support",
        "card_acceptance",
        "card_delivery_estimate",
        "card_not_working",
        "card_swallowed",
        "compromised_card",
        "contactless_not_working",
        "exchange_rate",
        "get_disposable_virtual_card",
        "get_physical_card",
        "getting_virtual_card",
        "lost_or_stolen_card",
        "passcode_forgotten",
        "pin_blocked",
        "receiving_money",
        "terminate_account",
        "top_up_by_bank_transfer_charge",
        "top_up_by_card_charge",
        "top_up_by_cash_or_cheque",
        "top_up_limits",
        "topping_up_by_card",
        "transfer_into_account",
        "unable_to_verify_identity",
        "verify_my_identity",
        "verify_source_of_funds",
        "virtual_card_not_working",
    ]
)
"""The intents that arXiv 2106.04564 holds out of training; nothing is chosen by them."""
QUERIES, ROUNDS = 100, 5
BATCH = 64


def banking77(settings: Settings) -> list[Row]:
    """All rows; beside the accuracy what it took, and how long the gateway's graph takes for one question."""
    train, test = _banking77(settings.data, "train"), _banking77(settings.data, "test")
    done = _job(settings, "banking77", train, test)
    accuracy = done.metrics["intent_accuracy"]
    interval = f"95 % interval {done.metrics['intent_accuracy_low']:.4f} to {done.metrics['intent_accuracy_high']:.4f}"
    peer = f"BERT 0.9366, best claim 0.9461; plain LoRA of 8 epochs 0.9299 on these rows; {interval}, {len(test)} rows"
    ratio, minutes = done.metrics["trainable_ratio"], done.seconds / 60
    milliseconds = _query_milliseconds(done.folder, [text for text, _ in test[:QUERIES]])
    return [
        Row("banking77_accuracy", accuracy, "share", 0.93, peer, [accuracy]),
        Row("banking77_trainable_ratio", ratio, "share", 0.1, "full tuning: 1", [ratio], lower_is_better=True),
        Row("banking77_minutes", minutes, "minutes", 60, "plain LoRA 14", [minutes], lower_is_better=True),
        Row(
            "onnx_query_ms",
            statistics.median(milliseconds),
            "ms",
            10,
            "median of one question at a time, one thread",
            milliseconds,
            lower_is_better=True,
        ),
    ]


def few_shot(settings: Settings) -> list[Row]:
    """Ten rows an intent, drawn anew with each seed."""
    train, test = _banking77(settings.data, "train"), _banking77(settings.data, "test")
    runs = []
    for seed in SEEDS:
        done = _job(settings, f"banking77-10shot-{seed}", sample(train, SHOTS, seed), test, seed=seed)
        runs.append(done.metrics["intent_accuracy"])
    peer = "CPFT 0.872, DNNC 0.867, ConveRT 0.852; plain LoRA 0.819 on these rows"
    return [Row("banking77_10shot_accuracy", statistics.mean(runs), "share", 0.84, peer, runs)]


def scope(settings: Settings) -> list[Row]:
    """A bank's questions against every other domain and questions of no domain."""
    clinc = json.loads((settings.data / "clinc150" / "data.json").read_text(encoding="utf-8"))
    domains = json.loads((settings.data / "clinc150" / "domains.json").read_text(encoding="utf-8"))
    ours = {intent for domain in BANKING_DOMAINS for intent in domains[domain]}
    train = [*_banking77(settings.data, "train"), *_of(clinc["train"], ours, True)]
    test = [*_banking77(settings.data, "test"), *_of(clinc["val"], ours, True)]
    taught = [*_of(clinc["train"], ours, False), *map(tuple, clinc["oos_train"])]
    strange = [*_of(clinc["val"], ours, False), *map(tuple, clinc["oos_val"])]
    done = _job(settings, "scope", train, test, strangers=taught)
    measured = _scope_metrics(done.folder, test, strange, OutOfScopeKind.GENERAL)
    peer = "frozen MiniLM with logistic regression on these rows"
    accuracy, auroc = measured["scope_accuracy"], measured["scope_auroc"]
    return [
        Row("scope_accuracy", accuracy, "share", 0.981, f"{peer}: 0.972", [accuracy]),
        Row("scope_auroc", auroc, "share", 0.995, f"{peer}: 0.994", [auroc]),
    ]


def in_domain(settings: Settings) -> list[Row]:
    """Questions of a bank's intents that were never taught, among those that were."""
    train, test = without_held_out(_banking77(settings.data, "train")), _banking77(settings.data, "test")
    known = without_held_out(test)
    strange = [row for row in test if row[1] in HELD_OUT]
    done = _job(settings, "in-domain", train, known)
    auroc = _scope_metrics(done.folder, known, strange, OutOfScopeKind.IN_DOMAIN)["scope_auroc"]
    accuracy = done.metrics["intent_accuracy"]
    peer = f"plain LoRA, maximum softmax: 0.862 on these rows; in-scope accuracy here {accuracy:.4f}, there 0.939"
    return [Row("indomain_oos_auroc", auroc, "share", 0.88, peer, [auroc])]


def sample(rows: Rows, shots: int, seed: int) -> Rows:
    """`shots` rows of each intent, drawn at random."""
    by_intent: dict[str, Rows] = defaultdict(list)
    for row in rows:
        by_intent[row[1]].append(row)
    generator = random.Random(seed)
    return [row for intent in sorted(by_intent) for row in generator.sample(by_intent[intent], shots)]


def without_held_out(rows: Rows) -> Rows:
    """The rows of the other fifty intents."""
    return [row for row in rows if row[1] not in HELD_OUT]


def _job(settings: Settings, name: str, train: Rows, test: Rows, strangers: Rows | None = None, seed: int = 42) -> Done:
    """A LoRA classifier with the defaults of a FineTuneJob, but for the rank that the table names."""
    root = settings.scratch / name
    data = root.with_name(f"{name}-data")
    dataset = {"uri": "s3://bench/train.csv", "testUri": "s3://bench/test.csv"}
    outside = None
    if strangers is not None:
        dataset["outOfScopeUri"] = "s3://bench/outside.csv"
        outside = _write(data / "outside.csv", strangers)
    spec: dict[str, Any] = {
        "task": "Classification",
        "method": "LoRA",
        "model": {"uri": "s3://bench/all-MiniLM-L6-v2"},
        "dataset": dataset,
        "lora": {"rank": 32, "alpha": 64},
        "training": {"seed": seed},
        "output": {"uri": "s3://bench/out"},
        "resources": {"memory": "16Gi", "gpus": int(settings.device == "cuda")},
    }
    files = Files(minilm_folder(), _write(data / "train.csv", train), _write(data / "test.csv", test), outside)
    return run_job(root, spec, files)


def _scope_metrics(folder: Path, ours: Rows, strange: Rows, kind: OutOfScopeKind) -> dict[str, float]:
    """Asked of the graph that the gateway asks."""
    classifier = IntentClassifier(folder / "onnx", threads=2)
    judged = [Judged(None, score, rejected) for score, rejected in _judgements(classifier, ours)]
    judged += [Judged(kind, score, rejected) for score, rejected in _judgements(classifier, strange)]
    return {one.name: float(one.value) for one in scope_metrics(judged)}


def _judgements(classifier: IntentClassifier, rows: Rows) -> Iterable[tuple[float, bool]]:
    for start in range(0, len(rows), BATCH):
        for one in classifier.judge([text for text, _ in rows[start : start + BATCH]]):
            yield one.out_of_scope, one.rejected


def _query_milliseconds(folder: Path, texts: Sequence[str]) -> list[float]:
    """The median of each round over all texts."""
    classifier = IntentClassifier(folder / "onnx", threads=1)
    classifier.judge(texts[:5])
    return [statistics.median(_milliseconds(classifier, text) for text in texts) for _ in range(ROUNDS)]


def _milliseconds(classifier: IntentClassifier, text: str) -> float:
    started = time.perf_counter()
    classifier.judge([text])
    return 1000 * (time.perf_counter() - started)


def _banking77(data: Path, name: str) -> Rows:
    with (data / "banking77" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [(row["text"], row["category"]) for row in csv.DictReader(file)]


def _of(rows: Iterable[Sequence[str]], intents: set[str], inside: bool) -> Rows:
    return [(text, intent) for text, intent in rows if (intent in intents) == inside]


def _write(path: Path, rows: Rows) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("text", "label"))
        writer.writerows(rows)
    return path


MEASUREMENTS = (
    Measurement(("banking77_accuracy", "banking77_trainable_ratio", "banking77_minutes", "onnx_query_ms"), banking77),
    Measurement(("banking77_10shot_accuracy",), few_shot),
    Measurement(("scope_accuracy", "scope_auroc"), scope),
    Measurement(("indomain_oos_auroc",), in_domain),
)
"""What `python -m bench.trainer` finds."""

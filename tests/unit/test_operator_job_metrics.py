"""What Prometheus reads of finished jobs."""

from banktuner_operator.runtime.job_metrics import JobMetrics
from tests.unit.operator_samples import Json, job_owner

METRICS = [
    {"name": "perplexity", "value": "3.5", "baseline": "12"},
    {"name": "security_score", "value": "7"},
    {"name": "peak_memory_bytes", "value": "1.07262e+09"},
]


def job(name: str = "card", passed: bool = True, metrics: list[Json] = METRICS) -> Json:
    owner = job_owner()
    owner["metadata"]["name"] = name
    return owner | {"status": {"evaluation": {"passed": passed, "metrics": metrics}}}


def test_every_metric_is_a_gauge_with_its_baseline_beside_it() -> None:
    told = JobMetrics()
    told.seen("MODIFIED", job())
    assert told.lines() == [
        "# HELP banktuner_finetunejob_metric An evaluated number of a finished FineTuneJob, in its own unit.",
        "# TYPE banktuner_finetunejob_metric gauge",
        'banktuner_finetunejob_metric{namespace="bank",name="card",metric="peak_memory_bytes"} 1072620000.0',
        'banktuner_finetunejob_metric{namespace="bank",name="card",metric="perplexity"} 3.5',
        'banktuner_finetunejob_metric{namespace="bank",name="card",metric="security_score"} 7.0',
        "# HELP banktuner_finetunejob_metric_baseline The untuned model's value of the same metric.",
        "# TYPE banktuner_finetunejob_metric_baseline gauge",
        'banktuner_finetunejob_metric_baseline{namespace="bank",name="card",metric="perplexity"} 12.0',
        "# HELP banktuner_finetunejob_evaluation_passed 1 where a finished FineTuneJob keeps its thresholds, else 0.",
        "# TYPE banktuner_finetunejob_evaluation_passed gauge",
        'banktuner_finetunejob_evaluation_passed{namespace="bank",name="card"} 1',
    ]


def test_jobs_come_and_go() -> None:
    told = JobMetrics()
    told.seen(None, job_owner())  # not evaluated yet
    assert told.lines() == []
    told.seen("MODIFIED", job(passed=False, metrics=[]))
    told.seen("ADDED", job("other", metrics=[]))
    assert [line for line in told.lines() if not line.startswith("#")] == [
        'banktuner_finetunejob_evaluation_passed{namespace="bank",name="card"} 0',
        'banktuner_finetunejob_evaluation_passed{namespace="bank",name="other"} 1',
    ]
    told.seen("DELETED", job())
    assert [line for line in told.lines() if 'name="card"' in line] == []


def test_what_is_no_number_or_needs_escapes_breaks_no_line() -> None:
    told = JobMetrics()
    told.seen("ADDED", job(metrics=[{"name": 'a"b\\c\nd', "value": "much"}]))
    assert 'banktuner_finetunejob_metric{namespace="bank",name="card",metric="a\\"b\\\\c\\nd"} NaN' in told.lines()

"""What a report makes of the status that the agent API wrote before it."""

import pytest

from banktuner_api.agent import Report
from banktuner_api.common import Json
from banktuner_operator.agentapi.progress import told

NOW, EARLIER = "2026-01-31T12:00:00Z", "2026-01-31T11:00:00Z"
LOSS = [{"name": "loss", "value": "1.5"}]
CHECKPOINT = {"step": 40, "uri": "s3://bank/out/step-40", "savedTime": EARLIER}


def written(**trainer: object) -> Json:
    """What was told of the first attempt, by a trainer that came to its end."""
    status = {"progressPercentage": 98, "estimatedRemainingSeconds": 300, "metrics": LOSS, "lastUpdatedTime": EARLIER}
    return {"trainerStatus": status | trainer, "activity": {"phase": "Publishing", "attempt": 1}}


@pytest.mark.parametrize(
    ("report", "before", "trainer_status"),
    [
        pytest.param(
            {"attempt": 1, "phase": "Staging", "remainingSeconds": 14},
            {},
            {"estimatedRemainingSeconds": 14},
            id="staging: the estimate alone",
        ),
        pytest.param(
            {"attempt": 2, "phase": "Staging", "remainingSeconds": 14},
            written(),
            {"estimatedRemainingSeconds": 14},
            id="staging: nothing of the attempt before",
        ),
        pytest.param(
            {"attempt": 1, "phase": "Staging", "reason": "ObjectStoreUnavailable"},
            written(),
            {},
            id="staging: nothing of an earlier pod of the same attempt",
        ),
        pytest.param(
            {"attempt": 1, "phase": "Publishing", "remainingSeconds": 0},
            written(),
            {"progressPercentage": 98, "estimatedRemainingSeconds": 0, "metrics": LOSS},
            id="publishing: the trainer's words stay",
        ),
        pytest.param(
            {"attempt": 1, "phase": "Publishing", "reason": "ObjectStoreUnavailable"},
            written(),
            {"progressPercentage": 98, "metrics": LOSS},
            id="publishing: nobody knows how long the store is away",
        ),
        pytest.param(
            {"attempt": 2, "phase": "Publishing", "remainingSeconds": 9},
            written(),
            {"estimatedRemainingSeconds": 9},
            id="publishing: an attempt of which nothing else arrived",
        ),
        pytest.param(
            {"attempt": 1, "phase": "Running", "trainerStatus": {"progressPercentage": 0}},
            written(),
            {"progressPercentage": 0, "metrics": []},
            id="the trainer: replaced as a whole",
        ),
        pytest.param(
            {"trainerStatus": {"progressPercentage": 41, "estimatedRemainingSeconds": 7}, "remainingSeconds": 99},
            written(),
            {"progressPercentage": 41, "estimatedRemainingSeconds": 7, "metrics": []},
            id="Kubeflow Trainer's body",
        ),
    ],
)
def test_what_the_trainers_field_becomes(report: Json, before: Json, trainer_status: Json) -> None:
    status = told(Report.model_validate(report), before, NOW)
    assert status["trainerStatus"] == trainer_status | {"lastUpdatedTime": NOW}


def test_a_checkpoint_alone_replaces_nothing_else() -> None:
    assert told(Report.model_validate({"checkpoint": CHECKPOINT}), written(), NOW) == {"checkpoint": CHECKPOINT}


def test_an_attempt_is_told_with_what_its_pod_does() -> None:
    report = Report.model_validate({"attempt": 2, "phase": "Staging", "message": "model 1 of 2 MB"})
    assert told(report, written(), NOW)["activity"] == {
        "phase": "Staging",
        "reason": "",
        "message": "model 1 of 2 MB",
        "attempt": 2,
        "lastUpdatedTime": NOW,
    }

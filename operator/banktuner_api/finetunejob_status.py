"""FineTuneJob's status: what the operator and the pods say of a job."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from banktuner_api.common import ApiModel, Conditions, Digest, Metric, Metrics, Timestamp
from banktuner_api.finetunejob_methods import Method
from banktuner_api.finetunejob_spec import Task


class Phase(StrEnum):
    """One word for humans, derived from the conditions."""

    PENDING = "Pending"
    SUSPENDED = "Suspended"
    QUEUED = "Queued"
    STAGING = "Staging"
    RUNNING = "Running"
    EVALUATING = "Evaluating"
    PUBLISHING = "Publishing"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class ServedAs(StrEnum):
    """What a BankingModel can do with an artifact."""

    ADAPTER = "Adapter"
    MERGED = "Merged"
    CLASSIFIER = "Classifier"
    NOT_SERVABLE = "NotServable"


class TrainerStatus(ApiModel):
    """Kubeflow Trainer's shape, so that its tools read ours."""

    progress_percentage: Annotated[int, Field(ge=0, le=100)] | None = None
    """Of the attempt's work after staging. Left out while staging."""
    estimated_remaining_seconds: Annotated[int, Field(ge=0)] | None = None
    """Until the attempt's artifact is committed; while staging, until the download that the message names is done.
    Left out while it is not known."""
    metrics: Annotated[list[Metric], Field(max_length=64)] = []
    last_updated_time: Timestamp | None = None


class Activity(ApiModel):
    """What a pod last told of itself: the step it is in, and what it waits for."""

    phase: Phase
    reason: Annotated[str, Field(max_length=63)] = ""
    message: Annotated[str, Field(max_length=1024)] = ""
    attempt: Annotated[int, Field(ge=1)]
    last_updated_time: Timestamp | None = None


class ArtifactStatus(ApiModel):
    """What was committed to object storage. `digest` is that of manifest.json."""

    uri: Annotated[str, Field(max_length=2048)]
    digest: Digest
    size_bytes: Annotated[int, Field(ge=0)]
    task: Task
    method: Method
    rank: Annotated[int, Field(ge=1)] | None = None
    base_model_digest: Digest | None = None
    model_digest: Digest
    served_as: ServedAs


class CheckpointStatus(ApiModel):
    """The newest checkpoint that was stored; the next attempt goes on from it. Gone from the store with the commit."""

    step: Annotated[int, Field(ge=1)]
    uri: Annotated[str, Field(max_length=2048)]
    saved_time: Timestamp


class EvaluationStatus(ApiModel):
    """The evaluated numbers and whether the thresholds hold."""

    passed: bool
    metrics: Metrics = []


class ResourcesUsed(ApiModel):
    """What the trainer used, the first of several pods; `gpuSeconds` = seconds x GPUs of all pods."""

    gpu_seconds: Annotated[int, Field(ge=0)] = 0
    cpu_seconds: Annotated[int, Field(ge=0)] = 0
    peak_memory_bytes: Annotated[int, Field(ge=0)] = 0


class FineTuneJobStatus(ApiModel):
    """What is so; conditions are the truth and phase is derived from them."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    phase: Phase | None = None
    conditions: Conditions = []
    start_time: Timestamp | None = None
    completion_time: Timestamp | None = None
    attempts: Annotated[int, Field(ge=0)] | None = None
    trainer_status: TrainerStatus | None = None
    activity: Activity | None = None
    checkpoint: CheckpointStatus | None = None
    artifact: ArtifactStatus | None = None
    evaluation: EvaluationStatus | None = None
    resources_used: ResourcesUsed | None = None

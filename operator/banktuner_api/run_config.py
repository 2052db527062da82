"""run.json: everything the three containers of a training pod are told, with every choice made."""

from typing import Annotated, Literal

from pydantic import Field

from banktuner_api import names
from banktuner_api.common import ApiModel, Digest, Precision
from banktuner_api.finetunejob_data import Architecture, Columns, Format, Preset
from banktuner_api.finetunejob_evaluation import Suite, Threshold
from banktuner_api.finetunejob_methods import Adapter, Ia3, Lora, Method, PrefixTuning, Quantization
from banktuner_api.finetunejob_spec import ArtifactFormat, Checkpoint, EarlyStopping, Task, Tracking


class ObjectRef(ApiModel):
    """Something in object storage.

    `credentials`: prefix of the environment variables that hold its credentials (see `names.secret_env_prefix`);
    None: the pod's own identity. `digest`: that of the artifact's manifest.json, None for folders without one.
    """

    uri: str
    credentials: str | None = None
    digest: Digest | None = None


class JobIdentity(ApiModel):
    """Which attempt of which job this pod is. Attempts count from 1."""

    namespace: str
    name: str
    uid: str
    attempt: Annotated[int, Field(ge=1)]


class DatasetInput(ApiModel):
    """The data to stage. Without `test`, `validation_percent` of the rows are held out (0: none)."""

    train: ObjectRef
    test: ObjectRef | None = None
    validation_percent: Annotated[int, Field(ge=0, le=50)] = 0
    out_of_scope: ObjectRef | None = None
    refusal: str = names.REFUSAL
    format: Format
    columns: Columns = Columns()
    preset: Preset | None = None


class TrainingConfig(ApiModel):
    """`Training` with every choice made. Lengths in tokens; `warmup_steps` of optimiser steps, or a share below 1."""

    epochs: int | None = None
    max_steps: int | None = None
    batch_size: int
    gradient_accumulation_steps: int
    learning_rate: float
    scheduler: Literal["Linear", "Cosine", "Constant"]
    warmup_steps: float
    max_length: int
    packing: bool
    gradient_checkpointing: bool
    precision: Precision
    seed: int
    label_smoothing: float | None = None
    early_stopping: EarlyStopping | None = None


class EvaluationConfig(ApiModel):
    """What to measure. `encoder`: a sentence encoder; `promoted`: the artifact that serves now."""

    suites: list[Suite] = []
    thresholds: list[Threshold] = []
    compare_with: Literal["None", "Base", "Promoted"] = "Base"
    encoder: ObjectRef | None = None
    promoted: ObjectRef | None = None
    max_rows: int = 200


class Prices(ApiModel):
    """What a node costs an hour, for the cost of a run; from the profile in the chart's values."""

    currency: Annotated[str, Field(max_length=8)] = "USD"
    cpu_hour: Annotated[float, Field(ge=0)] = 0
    gpu_hour: Annotated[float, Field(ge=0)] = 0


class Limits(ApiModel):
    """What each node's trainer may use. Sizes in bytes; `memory_bytes` is the container's limit."""

    gpus: Annotated[int, Field(ge=0)] = 0
    cpus: Annotated[float, Field(gt=0)] = 1
    memory_bytes: Annotated[int, Field(ge=0)] = 0


class RunConfig(ApiModel):
    """One attempt. Exactly one of `model` and `architecture` is set. `output` is the attempt's artifact folder.

    `checkpoints` is the folder that all attempts of the job share; `formats` are those beside what serves.
    """

    schema_version: Literal[1] = 1
    job: JobIdentity
    task: Task
    method: Method
    model: ObjectRef | None = None
    architecture: Architecture | None = None
    dataset: DatasetInput
    lora: Lora | None = None
    quantization: Quantization | None = None
    ia3: Ia3 | None = None
    prefix_tuning: PrefixTuning | None = None
    adapter: Adapter | None = None
    training: TrainingConfig
    checkpoint: Checkpoint = Checkpoint()
    checkpoints: ObjectRef | None = None
    evaluation: EvaluationConfig = EvaluationConfig()
    formats: list[ArtifactFormat] = []
    tracking: Tracking = Tracking()
    limits: Limits = Limits()
    prices: Prices = Prices()
    nodes: Annotated[int, Field(ge=1)] = 1
    output: ObjectRef
    agent_url: str

"""run.json: everything the three containers of a training pod are told, with every choice made."""

from typing import Annotated, Literal

from pydantic import Field

from banktuner_api.common import ApiModel, Digest, Precision
from banktuner_api.finetunejob_spec import Architecture, Columns, Format, Lora, Method, Quantization, Task


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
    format: Format
    columns: Columns = Columns()


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


class RunConfig(ApiModel):
    """One attempt. Exactly one of `model` and `architecture` is set. `output` is the attempt's artifact folder."""

    schema_version: Literal[1] = 1
    job: JobIdentity
    task: Task
    method: Method
    model: ObjectRef | None = None
    architecture: Architecture | None = None
    dataset: DatasetInput
    lora: Lora | None = None
    quantization: Quantization | None = None
    training: TrainingConfig
    gpus: Annotated[int, Field(ge=0)] = 0
    output: ObjectRef
    agent_url: str

"""FineTuneJob's spec: what a user asks for."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from banktuner_api.common import URI_RULE, ApiModel, Name, Precision, Resources, SecretRef, Uri, cel
from banktuner_api.finetunejob_data import Dataset, ModelSource
from banktuner_api.finetunejob_evaluation import Evaluation
from banktuner_api.finetunejob_methods import Adapter, Ia3, Lora, Method, PrefixTuning, Quantization


class Task(StrEnum):
    """What the model learns to do."""

    INSTRUCTION = "Instruction"
    CLASSIFICATION = "Classification"
    PRETRAINING = "Pretraining"


class EarlyStopping(ApiModel):
    """Ends the run when the loss on held-out rows no longer falls; the best weights are kept."""

    patience: Annotated[int, Field(ge=1, le=100)] = 2
    """Evaluations without a better loss."""
    min_improvement: Annotated[float, Field(ge=0, le=10)] = 0
    every_steps: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Optimiser steps between two evaluations; default: an epoch."""


class Training(ApiModel):
    """The training loop. What is left out is chosen by method and task; the run's configuration shows the choice."""

    model_config = cel(
        ("!(has(self.epochs) && has(self.maxSteps))", "epochs and maxSteps exclude each other"),
        ("!(has(self.warmupSteps) && has(self.warmupPercent))", "warmupSteps and warmupPercent exclude each other"),
    )

    epochs: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Default 3; for Classification 4 to 30, the more the fewer rows there are."""
    max_steps: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """Optimiser steps, instead of epochs."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Rows per device and step."""
    gradient_accumulation_steps: Annotated[int, Field(ge=1, le=1024)] = 1
    learning_rate: Annotated[float, Field(ge=1e-8, le=1)] | None = None
    """Peak learning rate."""
    scheduler: Literal["Linear", "Cosine", "Constant"] = "Cosine"
    warmup_steps: Annotated[int, Field(ge=0, le=100_000)] | None = None
    warmup_percent: Annotated[int, Field(ge=0, le=90)] | None = None
    """Share of the steps."""
    max_length: Annotated[int, Field(ge=8, le=131072)] | None = None
    """Longest sequence in tokens; longer rows are cut."""
    packing: bool | None = None
    """Several rows in one sequence, attention kept apart."""
    gradient_checkpointing: bool | None = None
    """Less memory, about a quarter slower."""
    precision: Precision = "Auto"
    """Auto: BF16 where the device computes in it, else FP32."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 42
    label_smoothing: Annotated[float, Field(ge=0, le=0.5)] | None = None
    """Share of the target that is spread over the other classes; Classification only."""
    early_stopping: EarlyStopping | None = None


class Checkpoint(ApiModel):
    """What a stopped run goes on from. A run that is told to stop saves one whatever is said here."""

    every_steps: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Optimiser steps between two checkpoints; default: an epoch, and at least 30 s."""
    keep_last: Annotated[int, Field(ge=1, le=20)] = 2


class MlflowTracking(ApiModel):
    """An MLflow server."""

    uri: Annotated[str, Field(max_length=512, pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._/-]*)?$")]
    experiment: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9 ._/-]+$")] = "banktuner"
    secret_ref: SecretRef | None = None
    """MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."""


class WandbTracking(ApiModel):
    """Weights & Biases; Offline leaves a run folder in the artifact, for `wandb sync`."""

    project: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9._-]+$")]
    mode: Literal["Offline", "Online"] = "Offline"
    secret_ref: SecretRef | None = None
    """WANDB_API_KEY and, for a server of one's own, WANDB_BASE_URL."""


class Tracking(ApiModel):
    """Where the run's numbers go besides status. A tracker that is down never fails a job."""

    tensorboard: bool = True
    """Event files in the artifact's report folder."""
    mlflow: MlflowTracking | None = None
    wandb: WandbTracking | None = None


class ArtifactFormat(StrEnum):
    """A form in which the result is published."""

    ADAPTER = "Adapter"
    MERGED = "Merged"
    GGUF = "GGUF"
    ONNX = "ONNX"


class Output(ApiModel):
    """Where the artifact goes: <uri>/<namespace>/<name>/<uid>/<attempt>/."""

    model_config = cel(URI_RULE)

    uri: Uri
    """Folder; artifacts go to uri/namespace/name/uid/attempt/."""
    secret_ref: SecretRef | None = None
    """Credentials for uri."""
    formats: Annotated[list[ArtifactFormat], Field(max_length=4)] | None = None
    """What serves is always there: Adapter (LoRA, QLoRA), Merged (IA3, Full, Pretraining), ONNX (Classification)."""


_IMMUTABLE = (
    *("task", "model", "dataset", "method", "lora", "quantization", "ia3", "prefixTuning", "adapter"),
    *("training", "checkpoint", "evaluation", "output", "tracking", "nodes"),
)
_WHILE_SUSPENDED = ("resources", "profile", "priorityClassName")


def _same(field: str) -> str:
    return f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"


class FineTuneJobSpec(ApiModel):
    """What to train, on what, how, and where the result goes."""

    model_config = cel(
        ("!has(self.lora) || self.method in ['LoRA', 'QLoRA']", "lora goes with method LoRA or QLoRA only"),
        ("!has(self.ia3) || self.method == 'IA3'", "ia3 goes with method IA3 only"),
        ("!has(self.prefixTuning) || self.method == 'PrefixTuning'", "prefixTuning goes with method PrefixTuning only"),
        ("!has(self.adapter) || self.method == 'Adapter'", "adapter goes with method Adapter only"),
        ("!has(self.quantization) || self.method == 'QLoRA'", "quantization goes with method QLoRA only"),
        (
            "(self.task == 'Pretraining') == has(self.model.architecture)",
            "model.architecture goes with task Pretraining, and only with it",
        ),
        ("self.task != 'Pretraining' || self.method == 'Full'", "task Pretraining needs method Full"),
        (
            "!has(self.dataset.format) || (self.task == 'Classification') == (self.dataset.format == 'TextLabel')",
            "dataset.format TextLabel goes with task Classification, and only with it",
        ),
        (
            "!has(self.dataset.format) || self.dataset.format != 'Text' || self.task == 'Pretraining'",
            "dataset.format Text goes with task Pretraining only",
        ),
        (
            "!has(self.training) || !has(self.training.packing) || !self.training.packing"
            " || self.task != 'Classification'",
            "training.packing does not go with task Classification",
        ),
        (
            "!has(self.training) || !has(self.training.gradientCheckpointing) || !self.training.gradientCheckpointing"
            " || self.method != 'PrefixTuning'",
            "training.gradientCheckpointing does not go with method PrefixTuning: its prefix lives in the cache",
        ),
        (
            "!has(self.training) || !has(self.training.packing) || !self.training.packing"
            " || self.method != 'PrefixTuning'",
            "training.packing does not go with method PrefixTuning: its prefix stands before a sequence, not a row",
        ),
        (
            "!has(self.training) || !has(self.training.labelSmoothing) || self.task == 'Classification'",
            "training.labelSmoothing goes with task Classification only",
        ),
        (
            "!has(self.training) || !has(self.training.precision) || self.training.precision != 'FP16'"
            " || (has(self.resources) && has(self.resources.gpus) && self.resources.gpus > 0)",
            "training.precision FP16 needs resources.gpus: CPUs compute in BF16 or FP32",
        ),
        (
            "!has(self.dataset.columns) || !(has(self.dataset.columns.text) || has(self.dataset.columns.label))"
            " || self.task == 'Classification' || has(self.dataset.outOfScopeUri)"
            " || (has(self.dataset.format) && self.dataset.format == 'Text')"
            " || (self.task == 'Pretraining' && !has(self.dataset.format))",
            "dataset.columns goes with task Classification, format Text or outOfScopeUri:"
            " the other formats have columns of fixed names",
        ),
        (
            "!has(self.output.formats) || !has(self.lora) || !has(self.lora.targetModules)"
            " || !self.lora.targetModules.exists(name, name in ['embed_tokens', 'wte', 'wpe'])"
            " || !self.output.formats.exists(form, form in ['Merged', 'GGUF'])",
            "output.formats Merged and GGUF do not go with lora.targetModules that name embeddings",
        ),
        ("!has(self.dataset.preset) || self.task == 'Instruction'", "dataset.preset goes with task Instruction only"),
        (
            "!has(self.dataset.outOfScopeUri) || self.task != 'Pretraining'",
            "dataset.outOfScopeUri does not go with task Pretraining",
        ),
        (
            "!has(self.dataset.refusal) || (has(self.dataset.outOfScopeUri) && self.task == 'Instruction')",
            "dataset.refusal goes with task Instruction and outOfScopeUri only",
        ),
        (
            "!has(self.output.formats) || self.task == 'Classification' || !('ONNX' in self.output.formats)",
            "output.formats ONNX goes with task Classification only",
        ),
        (
            "!has(self.output.formats) || self.task != 'Classification'"
            " || !self.output.formats.exists(form, form in ['Merged', 'GGUF'])",
            "output.formats Merged and GGUF do not go with task Classification: its head is no part of them",
        ),
        (
            "!has(self.output.formats) || !(self.method in ['PrefixTuning', 'Adapter'])"
            " || !self.output.formats.exists(form, form in ['Merged', 'GGUF'])",
            "output.formats Merged and GGUF do not go with method PrefixTuning or Adapter: they cannot be merged",
        ),
        (
            "!has(self.nodes) || self.nodes == 1 || self.task != 'Classification'",
            "nodes does not go with task Classification: an encoder is too small to be shared out",
        ),
        (
            "!has(self.resources) || !has(self.resources.gpus) || self.resources.gpus <= 1"
            " || self.task != 'Classification'",
            "resources.gpus above 1 does not go with task Classification: an encoder is too small to be shared out",
        ),
        *((_same(field), f"{field} is immutable") for field in _IMMUTABLE),
        *(
            (f"oldSelf.suspend || ({_same(field)})", f"{field} may change only while the job is suspended")
            for field in _WHILE_SUSPENDED
        ),
    )

    task: Task
    model: ModelSource
    dataset: Dataset
    method: Method
    """LoRA, QLoRA, IA3, PrefixTuning, Adapter or Full; the block of that name holds its settings."""
    lora: Lora | None = None
    quantization: Quantization | None = None
    ia3: Ia3 | None = None
    prefix_tuning: PrefixTuning | None = None
    adapter: Adapter | None = None
    training: Training = Training()
    checkpoint: Checkpoint = Checkpoint()
    evaluation: Evaluation | None = None
    output: Output
    tracking: Tracking = Tracking()
    resources: Resources = Resources()
    """Of each node's trainer."""
    nodes: Annotated[int, Field(ge=1, le=64)] = 1
    """Pods that train one model together (FSDP)."""
    profile: Name | None = None
    """Name of a kind of node in the chart's values."""
    priority_class_name: Annotated[str, Field(max_length=253)] | None = None
    """PriorityClass of the pods."""
    suspend: bool = False
    """True: no pod runs."""
    backoff_limit: Annotated[int, Field(ge=0, le=20)] = 3
    """Attempts after the first one that passing errors may use up."""
    active_deadline_seconds: Annotated[int, Field(ge=1, le=2_592_000)] | None = None
    """Longest time an attempt may run."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=31_536_000)] | None = None
    """The job is deleted so long after its end; its artifact stays."""

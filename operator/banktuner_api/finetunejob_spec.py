"""FineTuneJob's spec: what a user asks for."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from banktuner_api.common import (
    URI_RULE,
    ApiModel,
    LocalRef,
    Name,
    Precision,
    Resources,
    SecretRef,
    Uri,
    cel,
)


class Task(StrEnum):
    """What the model learns to do."""

    INSTRUCTION = "Instruction"
    CLASSIFICATION = "Classification"
    PRETRAINING = "Pretraining"


class Method(StrEnum):
    """How the weights change."""

    LORA = "LoRA"
    QLORA = "QLoRA"
    FULL = "Full"


class Format(StrEnum):
    """Form of a row of the data set."""

    ALPACA = "Alpaca"
    PROMPT_COMPLETION = "PromptCompletion"
    CHAT = "Chat"
    TEXT_LABEL = "TextLabel"
    TEXT = "Text"


class Architecture(ApiModel):
    """A model from scratch, as a standard configuration that every engine can read."""

    model_config = cel(("self.hiddenSize % self.heads == 0", "hiddenSize must be a multiple of heads"))

    family: Literal["Llama", "GPT2"] = "Llama"
    hidden_size: Annotated[int, Field(ge=32, le=8192)] = 512
    layers: Annotated[int, Field(ge=1, le=96)] = 6
    heads: Annotated[int, Field(ge=1, le=128)] = 8
    vocabulary_size: Annotated[int, Field(ge=300, le=256000)] = 10000
    context_length: Annotated[int, Field(ge=32, le=131072)] = 512


class ModelSource(ApiModel):
    """The model to start from: exactly one of uri, fineTuneJob, architecture."""

    model_config = cel(
        (
            "(has(self.uri) ? 1 : 0) + (has(self.fineTuneJob) ? 1 : 0) + (has(self.architecture) ? 1 : 0) == 1",
            "exactly one of uri, fineTuneJob and architecture is needed",
        ),
        URI_RULE,
    )

    uri: Uri | None = None
    """Folder with config.json, tokenizer files and .safetensors."""
    secret_ref: SecretRef | None = None
    """Credentials for uri."""
    fine_tune_job: LocalRef | None = None
    """The committed artifact of a job in this namespace; waited for."""
    architecture: Architecture | None = None
    """A model from scratch, for task Pretraining."""


class Columns(ApiModel):
    """Names of the columns, where they are not the usual ones."""

    text: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """Column of the text; found by itself where it is text, query, sentence, utterance or question."""
    label: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """Column of the label; found by itself where it is label, category, intent or class."""


class Dataset(ApiModel):
    """JSONL, JSON, CSV or Parquet in object storage; the kind of file follows from its name."""

    model_config = cel(
        URI_RULE,
        ("!has(self.testUri) || !self.testUri.contains('/..')", "testUri must not contain '..'"),
        ("!(has(self.testUri) && has(self.validationPercent))", "testUri and validationPercent exclude each other"),
    )

    uri: Uri
    """One file: .jsonl, .json, .csv or .parquet."""
    format: Format | None = None
    """Default: TextLabel for Classification, Text for Pretraining, else Alpaca."""
    test_uri: Uri | None = None
    """Rows to evaluate on, never trained on."""
    validation_percent: Annotated[int, Field(ge=1, le=50)] | None = None
    """Share of the rows held out when there is no testUri; default 5."""
    columns: Columns = Columns()
    secret_ref: SecretRef | None = None
    """Credentials for uri and testUri."""


class Lora(ApiModel):
    """Low-rank adaptation (arXiv 2106.09685); used by LoRA and QLoRA."""

    rank: Annotated[int, Field(ge=1, le=256)] = 16
    alpha: Annotated[int, Field(ge=1, le=1024)] = 32
    """Scale of the update: alpha / rank."""
    dropout: Annotated[float, Field(ge=0, le=0.9)] = 0.05
    target_modules: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")]],
        Field(min_length=1, max_length=16),
    ] = ["all-linear"]
    """Names of linear layers, or all-linear."""
    use_rslora: bool = False
    """Scale by alpha / sqrt(rank) (arXiv 2312.03732)."""


class Quantization(ApiModel):
    """How QLoRA holds the base model (arXiv 2305.14314)."""

    type: Literal["nf4", "fp4"] = "nf4"
    double_quant: bool = True
    """Quantise the quantisation constants too."""
    compute_type: Literal["bfloat16", "float16", "float32"] = "bfloat16"


class Training(ApiModel):
    """The training loop. What is left out is chosen by method and task; the run's configuration shows the choice."""

    model_config = cel(
        ("!(has(self.epochs) && has(self.maxSteps))", "epochs and maxSteps exclude each other"),
        ("!(has(self.warmupSteps) && has(self.warmupPercent))", "warmupSteps and warmupPercent exclude each other"),
    )

    epochs: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Default 3."""
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


class Threshold(ApiModel):
    """A bound on one metric: atLeast or atMost."""

    model_config = cel(("has(self.atLeast) != has(self.atMost)", "exactly one of atLeast and atMost is needed"))

    metric: Annotated[str, Field(min_length=1, max_length=63)]
    """Name of a metric in status.evaluation.metrics."""
    at_least: float | None = None
    at_most: float | None = None


class Evaluation(ApiModel):
    """Bounds that the tuned model must keep; an adapter that breaks one is never served."""

    thresholds: Annotated[list[Threshold], Field(max_length=16)] = []


class Output(ApiModel):
    """Where the artifact goes: <uri>/<namespace>/<name>/<uid>/<attempt>/."""

    model_config = cel(URI_RULE)

    uri: Uri
    """Folder; artifacts go to uri/namespace/name/uid/attempt/."""
    secret_ref: SecretRef | None = None
    """Credentials for uri."""


_IMMUTABLE = ("task", "model", "dataset", "method", "lora", "quantization", "training", "evaluation", "output")
_WHILE_SUSPENDED = ("resources", "profile", "priorityClassName")


def _same(field: str) -> str:
    return f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"


class FineTuneJobSpec(ApiModel):
    """What to train, on what, how, and where the result goes."""

    model_config = cel(
        ("!has(self.lora) || self.method in ['LoRA', 'QLoRA']", "lora goes with method LoRA or QLoRA only"),
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
    """LoRA, QLoRA or Full."""
    lora: Lora | None = None
    quantization: Quantization | None = None
    training: Training = Training()
    evaluation: Evaluation | None = None
    output: Output
    resources: Resources = Resources()
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

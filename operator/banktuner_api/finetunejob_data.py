"""What a FineTuneJob starts from: the model and the data set."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from banktuner_api.common import URI_RULE, ApiModel, LocalRef, SecretRef, Uri, cel


class Preset(StrEnum):
    """A kind of instruction data with its usual columns, instruction and metrics."""

    SQL_GENERATION = "SQLGeneration"
    CODE_REVIEW = "CodeReview"
    TECHNICAL_QUESTIONS = "TechnicalQuestions"
    SUMMARIZATION = "Summarization"


class Format(StrEnum):
    """Form of a row of the data set."""

    ALPACA = "Alpaca"
    PROMPT_COMPLETION = "PromptCompletion"
    CHAT = "Chat"
    TEXT_LABEL = "TextLabel"
    TEXT = "Text"


class Architecture(ApiModel):
    """A model from scratch, as a standard configuration that every engine can read."""

    model_config = cel(
        ("self.hiddenSize % self.heads == 0", "hiddenSize must be a multiple of heads"),
        (
            "self.family != 'Llama' || self.hiddenSize % (2 * self.heads) == 0",
            "hiddenSize must be an even multiple of heads: a Llama's heads turn pairs of numbers",
        ),
    )

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
        (
            "!has(self.outOfScopeUri) || !self.outOfScopeUri.contains('/..')",
            "outOfScopeUri must not contain '..'",
        ),
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
    preset: Preset | None = None
    """Kind of instruction data; names its columns, the instruction where rows have none, and what is measured."""
    out_of_scope_uri: Uri | None = None
    """Questions that are not a bank's: Classification learns to tell them apart, Instruction to refuse them."""
    refusal: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """What Instruction answers to outOfScopeUri; default: names.REFUSAL."""
    secret_ref: SecretRef | None = None
    """Credentials for uri, testUri and outOfScopeUri."""

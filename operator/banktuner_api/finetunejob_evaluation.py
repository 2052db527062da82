"""How a FineTuneJob's result is judged."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from banktuner_api.common import URI_RULE, ApiModel, LocalRef, SecretRef, Uri, cel


class Suite(StrEnum):
    """A group of metrics."""

    PERPLEXITY = "Perplexity"
    GENERATION = "Generation"
    INTENT = "Intent"
    SCOPE = "Scope"
    SAFETY = "Safety"


class Threshold(ApiModel):
    """A bound on one metric: atLeast or atMost."""

    model_config = cel(("has(self.atLeast) != has(self.atMost)", "exactly one of atLeast and atMost is needed"))

    metric: Annotated[str, Field(min_length=1, max_length=63)]
    """Name of a metric in status.evaluation.metrics."""
    at_least: float | None = None
    at_most: float | None = None


class Encoder(ApiModel):
    """A sentence encoder that compares answers by meaning."""

    model_config = cel(URI_RULE)

    uri: Uri
    """Folder with config.json, tokenizer files and .safetensors."""
    secret_ref: SecretRef | None = None
    """Credentials for uri."""


class Evaluation(ApiModel):
    """What is measured, beside what, and the bounds to keep: an adapter that breaks one is never served."""

    model_config = cel(
        (
            "(has(self.compareWith) && self.compareWith == 'Promoted') == has(self.promoted)",
            "promoted goes with compareWith Promoted, and only with it",
        ),
    )

    suites: Annotated[list[Suite], Field(max_length=8)] | None = None
    """Default: Intent (and Scope with outOfScopeUri) for Classification; Perplexity, for Instruction Generation too."""
    thresholds: Annotated[list[Threshold], Field(max_length=16)] = []
    compare_with: Literal["None", "Base", "Promoted"] = "Base"
    """Whose numbers stand beside the tuned model's; Promoted: those of the job in `promoted` too."""
    promoted: LocalRef | None = None
    """The FineTuneJob whose artifact serves now."""
    encoder: Encoder | None = None
    """For semantic similarity, BERTScore and response relevance; without it these are not measured."""
    max_rows: Annotated[int, Field(ge=1, le=100_000)] = 200
    """Rows that answers are generated for."""

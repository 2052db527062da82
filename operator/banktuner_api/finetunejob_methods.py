"""How the weights of a model change: the methods and the block of settings that each has."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from banktuner_api.common import ApiModel, cel

ModuleName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")]


class Method(StrEnum):
    """How the weights change."""

    LORA = "LoRA"
    QLORA = "QLoRA"
    IA3 = "IA3"
    PREFIX_TUNING = "PrefixTuning"
    ADAPTER = "Adapter"
    FULL = "Full"


class Lora(ApiModel):
    """Low-rank adaptation (arXiv 2106.09685); used by LoRA and QLoRA."""

    model_config = cel(
        (
            "!('all-linear' in self.targetModules) || size(self.targetModules) == 1",
            "targetModules all-linear stands alone: it names every linear layer but the head",
        ),
        (
            "!('lm_head' in self.targetModules)",
            "targetModules must not contain lm_head: engines do not apply an adapter to the head",
        ),
    )

    rank: Annotated[int, Field(ge=1, le=256)] = 16
    alpha: Annotated[int, Field(ge=1, le=1024)] = 32
    """Scale of the update: alpha / rank."""
    dropout: Annotated[float, Field(ge=0, le=0.9)] = 0.05
    target_modules: Annotated[list[ModuleName], Field(min_length=1, max_length=16)] = ["all-linear"]
    """Names of linear layers, or all-linear."""
    use_rslora: bool = False
    """Scale by alpha / sqrt(rank) (arXiv 2312.03732)."""


class Quantization(ApiModel):
    """How QLoRA holds the base model (arXiv 2305.14314)."""

    type: Literal["nf4", "fp4"] = "nf4"
    double_quant: bool = True
    """Quantise the quantisation constants too."""
    compute_type: Literal["bfloat16", "float16", "float32"] = "bfloat16"


class Ia3(ApiModel):
    """Learned scales of activations (arXiv 2205.05638)."""

    target_modules: Annotated[list[ModuleName], Field(max_length=16)] = []
    """Names of linear layers; empty: the usual ones of the model's architecture."""
    feedforward_modules: Annotated[list[ModuleName], Field(max_length=16)] = []
    """Those whose input, not output, is scaled; empty: the usual ones, with targetModules those among them."""


class PrefixTuning(ApiModel):
    """Learned keys and values before every sequence (arXiv 2101.00190)."""

    virtual_tokens: Annotated[int, Field(ge=1, le=512)] = 20
    projection: bool = False
    """Learn the prefix through a small network; slower, steadier."""


class Adapter(ApiModel):
    """A bottleneck network in every layer, added to what passes through (arXiv 1902.00751, 2005.00247)."""

    hidden_size: Annotated[int, Field(ge=1, le=4096)] = 64
    """Width of the bottleneck."""
    dropout: Annotated[float, Field(ge=0, le=0.9)] = 0.1
    placement: Literal["Pfeiffer", "Houlsby"] = "Pfeiffer"
    """Pfeiffer: after the feed-forward part; Houlsby: after attention too."""

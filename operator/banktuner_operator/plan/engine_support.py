"""What an engine cannot do, said before a pod tries it."""

from banktuner_api.bankingmodel import BankingModelSpec, Engine
from banktuner_operator.plan.conditions import false
from banktuner_operator.plan.types import Check


def options(spec: BankingModelSpec, engine: Engine) -> Check | None:
    """An option that the engine does not have; None: it has them all."""
    asked = spec.engine_options
    if engine == Engine.TGI and asked.dtype == "FP32":
        return false("UnsupportedOption", "spec.engineOptions.dtype: TGI serves BF16 and FP16, not FP32")
    if engine == Engine.TGI and asked.dtype != "Auto" and asked.quantization != "None":
        return false("UnsupportedOption", "spec.engineOptions: TGI takes dtype or quantization, not both")
    return None


def adapters(spec: BankingModelSpec, engine: Engine) -> Check | None:
    """Why the engine takes no adapters at all; None: it does."""
    if engine == Engine.TGI and spec.resources.gpus == 0:
        return false("NeedsGpu", "TGI applies adapters on a GPU only: set spec.resources.gpus, or spec.engine VLLM")
    return None

"""Which device and number format a run uses, chosen from what is asked for and what is there."""

from dataclasses import dataclass
from typing import Any

import torch

from banktuner_api.common import Precision
from banktuner_trainer.errors import invalid_config

FIELD = "spec.training.precision"


@dataclass(frozen=True)
class Device:
    """`load_dtype`: of frozen weights. Trained weights are kept in float32; `bf16` and `fp16` switch autocast on."""

    cuda: bool
    bf16: bool
    fp16: bool

    @property
    def load_dtype(self) -> Any:
        """Number format in which frozen weights are held."""
        if self.bf16:
            return torch.bfloat16
        return torch.float16 if self.fp16 else torch.float32


def gpu_peak_bytes() -> int:
    """Largest GPU memory that tensors took since the counter started; 0 without a GPU."""
    return int(torch.cuda.max_memory_allocated()) if torch.cuda.is_available() else 0


def choose_device(precision: Precision, gpus: int) -> Device:
    """Auto is bfloat16 where the hardware computes in it, else float16 on GPUs and float32 on CPUs.

    Raises TrainerError (InvalidConfig) where the machine cannot do what is asked for.
    """
    cuda = torch.cuda.is_available()
    if gpus and not cuda:
        raise invalid_config("spec.resources.gpus asks for a GPU, and the pod sees none", "spec.resources.gpus")
    has_bf16 = torch.cuda.is_bf16_supported() if cuda else cpu_computes_in_bf16()
    if precision == "FP16" and not cuda:
        raise invalid_config("FP16 needs a GPU: use Auto, BF16 or FP32", FIELD)
    if precision == "BF16" and cuda and not has_bf16:
        raise invalid_config("this GPU has no bfloat16: use Auto, FP16 or FP32", FIELD)
    bf16 = precision == "BF16" or (precision == "Auto" and has_bf16)
    fp16 = precision == "FP16" or (precision == "Auto" and cuda and not has_bf16)
    return Device(cuda=cuda, bf16=bf16, fp16=fp16)


def cpu_computes_in_bf16() -> bool:
    """Whether bfloat16 is faster than float32 here (about twice); CPUs without these units only emulate it."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))

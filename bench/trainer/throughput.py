"""Training speed on short rows beside trl's: on the CPU a small Llama, on a GPU TinyLlama's and Llama-2-7B's shapes."""

import statistics
from dataclasses import replace

from banktuner_api.finetunejob_methods import Method
from bench.rows import Measurement, Row, Settings
from bench.trainer.small_llama import LLAMA2_7B, LLAMA_15M, TINYLLAMA
from bench.trainer.speed import Case, Speed, Track

ROUNDS = 2
GIB = 1024**3
SAME_LOSS = 0.02
"""Nats. The batches are the same, the order of summation is not."""
CPU = Case("llama-15m", LLAMA_15M, Method.LORA, rows=320, batch=8)
CPU_FP32 = replace(CPU, precision="FP32")
GPU = (
    Case("tinyllama", TINYLLAMA, Method.LORA, rows=2048, batch=32, packing=True),
    Case("tinyllama", TINYLLAMA, Method.QLORA, rows=2048, batch=32, packing=True),
    Case("llama2_7b", LLAMA2_7B, Method.LORA, rows=512, batch=32, packing=True),
    Case("llama2_7b", LLAMA2_7B, Method.QLORA, rows=512, batch=32, packing=True),
)


def on_cpu(settings: Settings) -> list[Row]:
    """In the precision that the trainer chooses here; the losses of the runs are compared too."""
    return _beside_trl(settings, CPU, "throughput")


def on_cpu_in_float32(settings: Settings) -> list[Row]:
    """The same where nothing is computed in 16 bit, as on most CPUs."""
    return _beside_trl(settings, CPU_FP32, "throughput_fp32")


def _beside_trl(settings: Settings, case: Case, name: str) -> list[Row]:
    """Ours, plain trl and trl's packing in turn, as often as ROUNDS says."""
    track = Track(case, settings.scratch, cuda=False)
    ours, plain, packed = [], [], []
    for _ in range(ROUNDS):
        ours.append(_told("ours", track.ours()))
        plain.append(_told("trl plain", track.trl(packing=False)))
        packed.append(_told("trl packing", track.trl(packing=True)))
    ratios = _ratios(ours, plain)
    peer = f"trl plain {_mean(plain):.0f}, trl packing {_mean(packed):.0f}, ours {_mean(ours):.0f} tokens/s"
    gaps = [abs(one.loss - other.loss) for one, other in zip(ours, plain, strict=True)]
    losses = f"held-out loss: ours {ours[0].loss:.4f}, trl plain {plain[0].loss:.4f}"
    length = f"{track.tokens / case.rows:.0f} tokens a row"
    return [
        Row(f"{name}_ratio", statistics.mean(ratios), "x", 1.4, f"{peer}; {length}", ratios),
        Row(f"{name}_loss_gap", max(gaps), "nats", SAME_LOSS, losses, gaps, lower_is_better=True),
    ]


def on_gpu(settings: Settings) -> list[Row]:
    """For each shape and method: packed speed beside plain trl, and the peak of memory."""
    rows: list[Row] = []
    for case in GPU:
        track = Track(case, settings.scratch, cuda=True)
        name = f"gpu_{case.name}_{case.method.value.lower()}"
        ours, plain = _told("ours", track.ours()), _told("trl plain", track.trl(packing=False))
        packed = _told("trl packing", track.trl(packing=True))
        ratio, memory = ours.tokens_per_second / plain.tokens_per_second, ours.peak_bytes / GIB
        speeds = f"trl plain {plain.tokens_per_second:.0f}, its packing {packed.tokens_per_second:.0f} tokens/s"
        peaks = f"trl plain {plain.peak_bytes / GIB:.2f}, its packing {packed.peak_bytes / GIB:.2f} GiB"
        tokens = ours.tokens_per_second
        rows += [
            Row(f"{name}_ratio", ratio, "x", 1.8, speeds, [ratio]),
            Row(f"{name}_tokens_per_second", tokens, "tokens/s", None, speeds, [tokens]),
            Row(f"{name}_peak_gib", memory, "GiB", None, peaks, [memory], lower_is_better=True),
        ]
    return rows


def _told(who: str, speed: Speed) -> Speed:
    print(f"{who}: {speed.tokens_per_second:.0f} tokens/s, held-out loss {speed.loss:.4f}", flush=True)
    return speed


def _mean(speeds: list[Speed]) -> float:
    return statistics.mean(speed.tokens_per_second for speed in speeds)


def _ratios(ours: list[Speed], theirs: list[Speed]) -> list[float]:
    return [one.tokens_per_second / other.tokens_per_second for one, other in zip(ours, theirs, strict=True)]


_GPU_NAMES = tuple(
    f"gpu_{case.name}_{case.method.value.lower()}_{what}"
    for case in GPU
    for what in ("ratio", "tokens_per_second", "peak_gib")
)
MEASUREMENTS = (
    Measurement(("throughput_ratio", "throughput_loss_gap"), on_cpu, ("cpu",)),
    Measurement(("throughput_fp32_ratio", "throughput_fp32_loss_gap"), on_cpu_in_float32, ("cpu",)),
    Measurement(_GPU_NAMES, on_gpu, ("cuda",)),
)

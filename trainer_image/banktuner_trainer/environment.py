"""What this process may use and has used: CPU limit, threads, device, peak memory and CPU time."""

import gc
import math
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from banktuner_api.finetunejob_status import ResourcesUsed

CGROUP = Path("/sys/fs/cgroup")


def cpu_limit(cgroup: Path = CGROUP) -> int:
    """Whole CPUs that the container may use, at least 1: the smaller of the cgroup's quota and the affinity mask."""
    affinity = len(os.sched_getaffinity(0))
    quota = _quota_v2(cgroup) or _quota_v1(cgroup)
    return max(1, min(affinity, math.ceil(quota))) if quota else affinity


def _quota_v2(cgroup: Path) -> float | None:
    text = _read(cgroup / "cpu.max")
    if text is None or text.startswith("max"):
        return None
    quota, period = text.split()
    return int(quota) / int(period)


def _quota_v1(cgroup: Path) -> float | None:
    quota, period = (_read(cgroup / "cpu" / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    if quota is None or period is None or int(quota) <= 0:
        return None
    return int(quota) / int(period)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return None


def limit_threads(cpus: int) -> None:
    """Tell the numeric libraries how many threads to start; to be called before they are imported.

    More threads than CPUs would be throttled by the kernel's quota and wait for each other at every barrier;
    for the same reason threads sleep while they wait instead of spinning.
    """
    os.environ["OMP_NUM_THREADS"] = str(cpus)
    os.environ["MKL_NUM_THREADS"] = str(cpus)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true" if cpus > 1 else "false")
    os.environ.setdefault("RAYON_NUM_THREADS", str(cpus))


def limit_caches() -> None:
    """Tell oneDNN how many kernels to keep; to be called before torch is imported.

    It compiles one for every number of tokens, which differs from step to step, and would keep 1,024: over a gigabyte.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")


def hide(*packages: str) -> None:
    """Have packages look as if they were not installed; to be called before a library that looks for them."""
    for package in packages:
        sys.modules[package] = None  # type: ignore[assignment]


@contextmanager
def quick_imports(*unwanted: str) -> Iterator[None]:
    """Import large libraries without `unwanted` packages, which are there again afterwards, and without collections.

    What imports make stays; collections would look through all of it again and again.
    """
    absent = [package for package in unwanted if package not in sys.modules]
    hide(*absent)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()
        for package in absent:
            del sys.modules[package]


def resources_used(seconds: float, gpus: int, gpu_peak_bytes: int = 0) -> ResourcesUsed:
    """Use of this process since it started; `seconds` is the wall-clock time that GPUs were held."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return ResourcesUsed(
        gpu_seconds=round(seconds * gpus),
        cpu_seconds=round(usage.ru_utime + usage.ru_stime),
        peak_memory_bytes=peak_memory_bytes(gpu_peak_bytes),
    )


def peak_memory_bytes(gpu_peak_bytes: int) -> int:
    """That of the GPU where there is one, else the largest resident set of this process so far."""
    return gpu_peak_bytes or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

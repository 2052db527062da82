"""Memory while a model answers."""

import os
from pathlib import Path

import torch


class InferenceMemory:
    """Largest memory seen while answers are made.

    On a GPU: what its tensors took at most; its counter starts anew, so the peak of training must be read before.
    On a CPU: the process's resident set after a batch, weights, cache and libraries together.
    """

    def __init__(self, cuda: bool) -> None:
        """Starts counting now."""
        self._cuda = cuda
        self._seen = 0
        if cuda:
            torch.cuda.reset_peak_memory_stats()

    def look(self) -> None:
        """Between two batches."""
        self._seen = max(self._seen, int(torch.cuda.max_memory_allocated()) if self._cuda else resident_bytes())

    @property
    def peak_bytes(self) -> int:
        """The largest so far."""
        return self._seen


def resident_bytes() -> int:
    """Resident set of this process (proc(5), statm)."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")

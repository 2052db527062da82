"""Exit codes of the containers of a training pod, and which of them are worth another attempt."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a container's exit tells the operator. Every code but the retryable ones fails the job at once."""

    OK = 0
    INTERNAL = 1
    INVALID_CONFIG = 64
    INVALID_DATA = 65
    INVALID_MODEL = 66
    OBJECT_NOT_FOUND = 67
    ACCESS_DENIED = 68
    INTEGRITY = 69
    UNSAFE_FILE = 70
    DIVERGED = 71
    OUT_OF_MEMORY = 72
    DISK_FULL = 73
    INTERRUPTED = 75
    OBJECT_STORE_UNAVAILABLE = 76


RETRYABLE = frozenset({ExitCode.INTERNAL, ExitCode.INTERRUPTED, ExitCode.OBJECT_STORE_UNAVAILABLE})
FINAL = frozenset(ExitCode) - RETRYABLE - {ExitCode.OK}

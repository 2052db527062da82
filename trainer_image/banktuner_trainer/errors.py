"""How a run ends badly: every known ending has a reason, an exit code and, where there is one, the field to mend."""

import errno

from banktuner_api.exit_codes import ExitCode
from banktuner_api.handshake import Failure


class TrainerError(Exception):
    """The run cannot go on. `message` says what is wrong and how to mend it, and never carries data."""

    def __init__(self, code: ExitCode, reason: str, message: str, field: str | None = None) -> None:
        """`reason` is CamelCase; `field` is a path such as spec.dataset.uri."""
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.field = field

    def failure(self) -> Failure:
        """What the termination message says."""
        return Failure(reason=self.reason, message=self.message, field=self.field)


class Interrupted(BaseException):
    """SIGTERM. Not an Exception, so that no library swallows it."""


def invalid_data(message: str, field: str = "spec.dataset.uri") -> TrainerError:
    """The data set cannot be used."""
    return TrainerError(ExitCode.INVALID_DATA, "InvalidData", message, field)


def invalid_config(message: str, field: str) -> TrainerError:
    """The job asks for something that does not go together."""
    return TrainerError(ExitCode.INVALID_CONFIG, "InvalidConfig", message, field)


def invalid_model(message: str, field: str = "spec.model.uri") -> TrainerError:
    """The staged model cannot be used."""
    return TrainerError(ExitCode.INVALID_MODEL, "InvalidModel", message, field)


OUT_OF_MEMORY_ADVICE = (
    "out of memory: lower spec.training.batchSize (raise gradientAccumulationSteps to keep the same effective batch) "
    "or spec.training.maxLength, set spec.training.gradientCheckpointing, or raise spec.resources.memory"
)
_OUT_OF_MEMORY_MARKS = ("out of memory", "can't allocate memory", "cannot allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed, on the CPU or on a GPU."""
    return isinstance(error, MemoryError) or any(mark in str(error).lower() for mark in _OUT_OF_MEMORY_MARKS)


_DISK_FULL_MARKS = ("no space left on device", "disk quota exceeded")
"""What libraries say that do not raise an OSError, such as safetensors."""


def _is_disk_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return any(mark in str(error).lower() for mark in _DISK_FULL_MARKS)


def classify(error: BaseException) -> TrainerError:
    """The ending that an exception stands for. Unknown exceptions become Internal, told by type only."""
    if isinstance(error, TrainerError):
        return error
    if isinstance(error, Interrupted):
        return TrainerError(ExitCode.INTERRUPTED, "Interrupted", "the pod was told to stop")
    if is_out_of_memory(error):
        return TrainerError(ExitCode.OUT_OF_MEMORY, "OutOfMemory", OUT_OF_MEMORY_ADVICE, "spec.training.batchSize")
    if _is_disk_full(error):
        message = "no space left on the pod's volume: raise spec.resources.ephemeralStorage"
        return TrainerError(ExitCode.DISK_FULL, "DiskFull", message, "spec.resources.ephemeralStorage")
    message = f"{type(error).__name__} in the trainer; its log has the traceback"
    return TrainerError(ExitCode.INTERNAL, "Internal", message)

"""The one error a user sees: a reason, what to do about it, the spec field to mend and the exit code."""

from banktuner_api.exit_codes import ExitCode
from banktuner_api.handshake import Failure


class StagerError(Exception):
    """Work cannot go on. `reason` is CamelCase; the message names the field and the remedy, never data or secrets."""

    def __init__(self, exit_code: ExitCode, reason: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.reason = reason
        self.message = message
        self.field = field

    def failure(self) -> Failure:
        """The termination message's form."""
        return Failure(reason=self.reason, message=self.message, field=self.field)


def invalid_config(message: str, field: str | None) -> StagerError:
    """The spec or a Secret says something that cannot be used."""
    return StagerError(ExitCode.INVALID_CONFIG, "InvalidConfig", message, field)


def invalid_model(message: str, field: str | None) -> StagerError:
    """The folder is not a model (or adapter) that can be loaded."""
    return StagerError(ExitCode.INVALID_MODEL, "InvalidModel", message, field)


def invalid_data(message: str, field: str | None) -> StagerError:
    """The data set cannot be used."""
    return StagerError(ExitCode.INVALID_DATA, "InvalidData", message, field)


def unsafe_file(message: str, field: str | None) -> StagerError:
    """A file could carry code, or points out of its folder."""
    return StagerError(ExitCode.UNSAFE_FILE, "UnsafeModelFile", message, field)


def digest_mismatch(message: str, field: str | None) -> StagerError:
    """Content is not what its digest says."""
    return StagerError(ExitCode.INTEGRITY, "DigestMismatch", message, field)


def disk_full(message: str) -> StagerError:
    """The pod's volume is too small."""
    return StagerError(
        ExitCode.DISK_FULL, "DiskFull", f"{message}: raise spec.resources.ephemeralStorage", "spec.resources"
    )

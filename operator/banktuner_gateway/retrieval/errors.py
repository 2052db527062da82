"""The one error of this part: a reason, what to do about it, the field to mend and the Job's exit code."""

from banktuner_api.exit_codes import ExitCode
from banktuner_api.handshake import Failure


class RetrievalError(Exception):
    """Work cannot go on. `reason` is CamelCase; the message never holds a document's text, a question or a secret."""

    def __init__(self, exit_code: ExitCode, reason: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.reason = reason
        self.message = message
        self.field = field

    def failure(self) -> Failure:
        """The termination message's form."""
        return Failure(reason=self.reason, message=self.message, field=self.field)


def invalid_config(message: str, field: str | None) -> RetrievalError:
    """The settings or a Secret say something that cannot be used."""
    return RetrievalError(ExitCode.INVALID_CONFIG, "InvalidConfig", message, field)


def invalid_encoder(message: str) -> RetrievalError:
    """The embedding folder is no sentence encoder that can be loaded."""
    return RetrievalError(ExitCode.INVALID_MODEL, "InvalidEncoder", message, "knowledge.embedding.uri")


def encoder_not_written(error: OSError) -> RetrievalError:
    """The pod's volume does not take the encoder."""
    message = f"the encoder cannot be written to the pod's volume ({error.strerror}); take a smaller one"
    return RetrievalError(ExitCode.DISK_FULL, "DiskFull", message, "knowledge.embedding.uri")


def no_documents(message: str) -> RetrievalError:
    """Nothing can be indexed; the index that serves stays."""
    return RetrievalError(ExitCode.INVALID_DATA, "NoDocuments", message, "knowledge.documents.uri")


def broken_index(message: str) -> RetrievalError:
    """What the index's folder holds is not what its pointer says."""
    return RetrievalError(ExitCode.INTEGRITY, "BrokenIndex", message, "knowledge.vectorStore")


def overtaken() -> RetrievalError:
    """Another Job switched the index meanwhile; a new attempt starts from its state."""
    message = "another indexing Job finished first; run only one at a time for a collection"
    return RetrievalError(ExitCode.INTERRUPTED, "Overtaken", message, "knowledge.vectorStore.collection")


def store_unavailable(vendor: str, error: Exception) -> RetrievalError:
    """The vector store did not do what it was asked. Of the client's error only the type: its text may hold data."""
    message = f"{vendor} failed ({type(error).__name__}); look at vectorStore.url, its key and the server's log"
    return RetrievalError(ExitCode.OBJECT_STORE_UNAVAILABLE, "VectorStoreUnavailable", message, "knowledge.vectorStore")

"""What can go wrong with the record. No message quotes a record's content."""


class AuditUnavailableError(Exception):
    """A decision could not be recorded, so it must not be acted on: the answer is 503."""


class SinkError(Exception):
    """The sink did not take what it was given. The text says why, for the operator's log."""


class KeyFileError(Exception):
    """The key cannot be used. The message names the file and the remedy."""

"""The audit key: one secret, one derived key a purpose, and the reading of its file."""

import hmac
import secrets
from pathlib import Path

from banktuner_gateway.audit.errors import KeyFileError

MIN_KEY_BYTES = 32
EPHEMERAL = "ephemeral"
"""Beginning of the id of a key that nobody keeps."""


class AuditKey:
    """Keys derived from one secret, each for one purpose (HKDF-Expand, RFC 5869 section 2.3, one block of SHA-256).

    `id` tells keys apart in the records and says nothing of the secret. Raises KeyFileError for a short secret.
    """

    def __init__(self, secret: bytes, *, kept: bool = True) -> None:
        if len(secret) < MIN_KEY_BYTES:
            raise KeyFileError(f"the audit key has {len(secret)} bytes; at least {MIN_KEY_BYTES} are needed")
        self._secret = secret
        name = self._derive("key id")[:8].hex()
        self.id = name if kept else f"{EPHEMERAL}-{name}"
        self._record = self._derive("record")
        self._head = self._derive("head")
        self._text: dict[str, bytes] = {}

    def _derive(self, purpose: str) -> bytes:
        return hmac.digest(self._secret, f"banktuner audit 1 {purpose}".encode() + b"\x01", "sha256")

    def record_mac(self, body: bytes) -> str:
        """HMAC-SHA256 of a record, in hex."""
        return hmac.digest(self._record, body, "sha256").hex()

    def head_mac(self, body: bytes) -> str:
        """HMAC-SHA256 of a published head, in hex."""
        return hmac.digest(self._head, body, "sha256").hex()

    def text_digest(self, purpose: str, text: str) -> str:
        """Digest of a text for one purpose, such as `request`: without the key nobody can test guesses against it.

        Form: `hmac-sha256:<key id>:<64 hex>`. Takes 1 ms a megabyte or so.
        """
        key = self._text.get(purpose) or self._text.setdefault(purpose, self._derive(f"text {purpose}"))
        return f"hmac-sha256:{self.id}:{hmac.digest(key, text.encode('utf-8', 'surrogatepass'), 'sha256').hex()}"


def read_key(path: Path) -> AuditKey:
    """The key in a file; one line end after it does not count. Raises KeyFileError naming the file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}; the Secret must have the key `key`") from None
    try:
        return AuditKey(content.removesuffix(b"\n").removesuffix(b"\r"))
    except KeyFileError as error:
        raise KeyFileError(f"{path}: {error}, such as of `openssl rand -hex 32`") from None


class KeySource:
    """Where the writer's key comes from. Without a file: a key of this process alone, which nobody can verify with."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.first = self.read() if path else AuditKey(secrets.token_bytes(MIN_KEY_BYTES), kept=False)

    def read(self) -> AuditKey:
        """The key as it is now. Raises KeyFileError."""
        return read_key(self._path) if self._path else self.first

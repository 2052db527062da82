"""Object storage: the only module that imports obstore. Every failure leaves it as a StoreError of one kind."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from banktuner_api.run_config import ObjectRef
from banktuner_stager.errors import invalid_config

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config

ACCESS_KEY = "AWS_ACCESS_KEY_ID"
SECRET_KEY = "AWS_SECRET_ACCESS_KEY"
SESSION_TOKEN = "AWS_SESSION_TOKEN"
ENDPOINT = "AWS_ENDPOINT_URL"
REGION = "AWS_REGION"
DEFAULT_REGION = "us-east-1"

CHUNK_BYTES = 8 * 1024 * 1024
PARTS_AT_ONCE = 4
MAX_PARTS = 9000
"""S3 takes 10,000 parts an upload; the chunk grows for files that would need more."""

_Value = TypeVar("_Value")


class Kind(StrEnum):
    """What went wrong, as far as it decides what to do next."""

    NOT_FOUND = "NotFound"
    NO_BUCKET = "NoBucket"
    DENIED = "Denied"
    EXISTS = "Exists"
    UNAVAILABLE = "Unavailable"
    REJECTED = "Rejected"


class StoreError(Exception):
    """A request that failed. The text carries the S3 error code and status only: bodies may echo credentials."""

    def __init__(self, kind: Kind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


@dataclass(frozen=True)
class Location:
    """A bucket and a key without leading or trailing slash (empty: the bucket's top)."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """The s3:// form."""
        return f"s3://{self.bucket}/{self.key}" if self.key else f"s3://{self.bucket}"

    def child(self, folder: str) -> "Location":
        """A folder in this one."""
        return Location(self.bucket, f"{self.key}/{folder}" if self.key else folder)


@dataclass(frozen=True)
class Entry:
    """A listed object: path relative to the listed folder, size in bytes."""

    path: str
    size: int


def parse_uri(uri: str, field: str) -> Location:
    """Split s3://bucket/key. Raises StagerError (INVALID_CONFIG naming `field`)."""
    parts = urlsplit(uri)
    if parts.scheme != "s3" or not parts.netloc or "@" in parts.netloc or parts.query or parts.fragment:
        raise invalid_config(f"{field}: {uri!r} is not of the form s3://bucket/path", field)
    key = parts.path.strip("/")
    if any(segment in ("", ".", "..") for segment in key.split("/") if key):
        raise invalid_config(f"{field}: {uri!r} has an empty, '.' or '..' segment", field)
    return Location(parts.netloc, key)


class Store:
    """One bucket. Paths are full keys; methods raise StoreError and nothing else."""

    def __init__(self, bucket: S3Store) -> None:
        self._bucket = bucket

    def get(self, key: str) -> bytes:
        """The whole object: for small ones."""
        return _guard(lambda: bytes(self._bucket.get(key).bytes()))

    def size(self, key: str) -> int:
        """Bytes of an object. By GET: the answer to a failed HEAD has no body that says why."""
        return _guard(lambda: self._bucket.get(key).meta["size"])

    def stream(self, key: str) -> Iterator[bytes]:
        """The object in chunks of a few MB."""
        chunks = _guard(lambda: iter(self._bucket.get(key).stream(min_chunk_size=CHUNK_BYTES)))
        while (chunk := _guard(lambda: next(chunks, None))) is not None:
            yield bytes(chunk)

    def list(self, folder: str) -> list[Entry]:
        """Everything under a folder, empty where there is nothing. Folder markers are left out."""
        batches = _guard(lambda: list(self._bucket.list(prefix=folder or None)))
        start = len(folder) + 1 if folder else 0
        entries = [Entry(meta["path"][start:], meta["size"]) for batch in batches for meta in batch]
        return sorted((entry for entry in entries if entry.path), key=lambda entry: entry.path)

    def put(self, key: str, content: bytes) -> None:
        """Write a small object, replacing what is there."""
        _guard(lambda: self._bucket.put(key, content, use_multipart=False))

    def put_stream(self, key: str, chunks: Iterable[bytes], size: int) -> None:
        """Write an object from chunks, by multipart upload when it is large; nobody sees a part of it."""
        if size <= CHUNK_BYTES:
            return self.put(key, b"".join(chunks))
        part = max(CHUNK_BYTES, -(-size // MAX_PARTS))
        _guard(
            lambda: self._bucket.put(key, chunks, use_multipart=True, chunk_size=part, max_concurrency=PARTS_AT_ONCE)
        )

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are not there do not matter."""
        for key in keys:
            _guard(partial(self._bucket.delete, key))

    def create(self, key: str, content: bytes) -> bool:
        """Write a small object only where there is none (If-None-Match: *); False when there is one."""
        try:
            _guard(lambda: self._bucket.put(key, content, mode="create"))
        except StoreError as error:
            if error.kind is Kind.EXISTS:
                return False
            raise
        return True


def open_store(ref: ObjectRef, field: str, secret_field: str, environment: Mapping[str, str]) -> tuple[Store, Location]:
    """The store of `ref` and the place in it.

    `environment` holds the Secret's keys behind `ref.credentials`; without a prefix the pod's own identity is used.
    Raises StagerError (INVALID_CONFIG) naming `field` for a bad URI, `secret_field` for a missing or bad key.
    """
    location = parse_uri(ref.uri, field)
    keys = {name: environment.get(f"{ref.credentials or ''}{name}", "").strip() for name in _KEYS}
    if ref.credentials is not None:
        missing = [name for name in (ACCESS_KEY, SECRET_KEY) if not keys[name]]
        if missing:
            raise invalid_config(f"{secret_field}: the Secret has no key {' and no key '.join(missing)}", secret_field)
    _check_endpoint(keys[ENDPOINT], secret_field)
    return Store(_s3(location.bucket, keys)), location


_KEYS = (ACCESS_KEY, SECRET_KEY, SESSION_TOKEN, ENDPOINT, REGION)


def _check_endpoint(endpoint: str, secret_field: str) -> None:
    parts = urlsplit(endpoint)
    if endpoint and (parts.scheme not in ("http", "https") or not parts.hostname or parts.username):
        raise invalid_config(
            f"{secret_field}: {ENDPOINT} must be http://host[:port] or https://host[:port]", secret_field
        )


def _s3(bucket: str, keys: Mapping[str, str]) -> S3Store:
    client: ClientConfig = {
        "allow_http": keys[ENDPOINT].startswith("http://"),
        "connect_timeout": timedelta(seconds=5),
        "read_timeout": timedelta(seconds=30),
        "timeout": timedelta(hours=6),
    }
    retry: RetryConfig = {"max_retries": 3, "retry_timeout": timedelta(seconds=20)}
    config: S3Config = {"region": keys[REGION] or DEFAULT_REGION, "conditional_put": "etag"}
    if keys[ENDPOINT]:
        config["endpoint"] = keys[ENDPOINT].rstrip("/")
    if keys[ACCESS_KEY]:
        config["access_key_id"] = keys[ACCESS_KEY]
        config["secret_access_key"] = keys[SECRET_KEY]
    if keys[SESSION_TOKEN]:
        config["session_token"] = keys[SESSION_TOKEN]
    return S3Store(bucket, config=config, client_options=client, retry_config=retry)


_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z0-9]{1,64})</Code>")
_DENIED_CODES = frozenset({"XAdminUserNotFound", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied"})
"""Servers differ in the status: versitygw answers an unknown access key with 404 and the first of these."""


def _guard(call: Callable[[], _Value]) -> _Value:
    try:
        return call()
    except (BaseError, OSError) as error:
        raise classify(error) from None


def classify(error: Exception) -> StoreError:
    """The kind of an obstore error, from its type and the status and S3 code in its text."""
    text = str(error).partition("Debug source")[0]
    status_match, code_match = _STATUS.search(text), _CODE.search(text)
    status = int(status_match.group(1)) if status_match else 0
    code = code_match.group(1) if code_match else ""
    detail = " ".join(part for part in (f"status {status}" if status else "", code) if part)
    return StoreError(_kind(error, status, code), detail or "no answer")


def _kind(error: Exception, status: int, code: str) -> Kind:
    if isinstance(error, AlreadyExistsError):
        return Kind.EXISTS
    if code in _DENIED_CODES or status in (401, 403) or isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return Kind.DENIED
    if code == "NoSuchBucket":
        return Kind.NO_BUCKET
    if isinstance(error, FileNotFoundError) or status == 404:
        return Kind.NOT_FOUND
    return Kind.REJECTED if 300 <= status < 500 and status not in (408, 409, 425, 429) else Kind.UNAVAILABLE

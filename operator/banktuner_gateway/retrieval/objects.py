"""Object storage for documents and index: the only module of this part that imports obstore."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, TypeVar
from urllib.parse import urlsplit

from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import ObjectStore, S3Store

from banktuner_api.exit_codes import ExitCode
from banktuner_api.run_config import ObjectRef
from banktuner_gateway.retrieval.errors import RetrievalError, invalid_config

if TYPE_CHECKING:
    from obstore import UpdateVersion
    from obstore.store import ClientConfig, RetryConfig, S3Config

_Value = TypeVar("_Value")
_STATUS = re.compile(r"status code: (\d{3})")
_DENIED = re.compile(r"<Code>(XAdminUserNotFound|InvalidAccessKeyId|SignatureDoesNotMatch|AccessDenied)</Code>")


class ObjectMissingError(Exception):
    """There is no such object."""


class ObjectChangedError(Exception):
    """The object is not the one that was read before."""


@dataclass(frozen=True)
class Entry:
    """A listed object: path below the folder, size in bytes."""

    path: str
    size: int


@dataclass(frozen=True)
class Content:
    """An object's bytes and the mark that tells whether it changed since."""

    data: bytes
    etag: str | None


class Folder:
    """A folder of a bucket. Methods wait for the network and raise ObjectMissingError and RetrievalError."""

    def __init__(self, bucket: ObjectStore, prefix: str, field: str) -> None:
        """`prefix` without leading or trailing slash; `field` is named in errors."""
        self._bucket = bucket
        self._prefix = prefix
        self._field = field

    def _key(self, path: str) -> str:
        return f"{self._prefix}/{path}" if self._prefix else path

    def list(self) -> list[Entry]:
        """Everything below the folder, by path; empty where there is nothing. Folder markers are left out."""
        batches = self._guard(lambda: list(self._bucket.list(prefix=self._prefix or None)))
        start = len(self._prefix) + 1 if self._prefix else 0
        entries = [Entry(meta["path"][start:], meta["size"]) for batch in batches for meta in batch]
        return sorted((entry for entry in entries if entry.path), key=lambda entry: entry.path)

    def get(self, path: str) -> Content:
        """The whole object."""

        def read() -> Content:
            answer = self._bucket.get(self._key(path))
            return Content(bytes(answer.bytes()), answer.meta["e_tag"])

        return self._guard(read)

    def put(self, path: str, data: bytes) -> None:
        """Write an object whole, replacing what is there."""
        self._guard(lambda: self._bucket.put(self._key(path), data))

    def replace(self, path: str, data: bytes, etag: str | None) -> None:
        """Write an object only where it is still the one with `etag` (None: where there is none).

        Raises ObjectChangedError too.
        """
        mode: Literal["create"] | UpdateVersion = "create" if etag is None else {"e_tag": etag}
        self._guard(lambda: self._bucket.put(self._key(path), data, mode=mode, use_multipart=False))

    def delete(self, path: str) -> None:
        """Delete an object; one that is not there does not matter."""
        try:
            self._guard(lambda: self._bucket.delete(self._key(path)))
        except ObjectMissingError:
            return

    def _guard(self, call: Callable[[], _Value]) -> _Value:
        try:
            return call()
        except (PreconditionError, AlreadyExistsError):
            raise ObjectChangedError from None
        except (BaseError, OSError) as error:
            raise _classify(error, self._field) from None


def open_folder(ref: ObjectRef, field: str, environment: Mapping[str, str]) -> Folder:
    """The folder of `ref`; `environment` holds the Secret's keys behind `ref.credentials`, else the pod's identity.

    Raises RetrievalError (INVALID_CONFIG) naming `field`.
    """
    parts = urlsplit(ref.uri)
    key = parts.path.strip("/")
    if parts.scheme != "s3" or not parts.netloc or "@" in parts.netloc or parts.query or parts.fragment:
        raise invalid_config(f"{field} is not of the form s3://bucket/path", f"{field}.uri")
    if any(segment in ("", ".", "..") for segment in key.split("/") if key):
        raise invalid_config(f"{field} has an empty, '.' or '..' segment", f"{field}.uri")
    names = ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "ENDPOINT_URL", "REGION")
    keys = {name: environment.get(f"{ref.credentials or ''}AWS_{name}", "").strip() for name in names}
    if ref.credentials is not None and not (keys["ACCESS_KEY_ID"] and keys["SECRET_ACCESS_KEY"]):
        message = f"{field}: the Secret needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        raise invalid_config(message, f"{field}.secretRef")
    return Folder(_s3(parts.netloc, keys), key, field)


def _s3(bucket: str, keys: Mapping[str, str]) -> S3Store:
    client: ClientConfig = {
        "allow_http": keys["ENDPOINT_URL"].startswith("http://"),
        "connect_timeout": timedelta(seconds=5),
        "timeout": timedelta(minutes=10),
    }
    retry: RetryConfig = {"max_retries": 3, "retry_timeout": timedelta(seconds=20)}
    config: S3Config = {"region": keys["REGION"] or "us-east-1", "conditional_put": "etag"}
    if keys["ENDPOINT_URL"]:
        config["endpoint"] = keys["ENDPOINT_URL"].rstrip("/")
    if keys["ACCESS_KEY_ID"]:
        config["access_key_id"] = keys["ACCESS_KEY_ID"]
        config["secret_access_key"] = keys["SECRET_ACCESS_KEY"]
    if keys["SESSION_TOKEN"]:
        config["session_token"] = keys["SESSION_TOKEN"]
    return S3Store(bucket, config=config, client_options=client, retry_config=retry)


def _classify(error: Exception, field: str) -> Exception:
    """From the error's type and the status and S3 code in its text, which is not passed on: it may echo credentials."""
    text = str(error).partition("Debug source")[0]
    match = _STATUS.search(text)
    status = int(match.group(1)) if match else 0
    if status in (401, 403) or _DENIED.search(text) or isinstance(error, PermissionDeniedError | UnauthenticatedError):
        message = f"{field}: access is denied; look at the Secret's keys and their rights"
        return RetrievalError(ExitCode.ACCESS_DENIED, "AccessDenied", message, f"{field}.secretRef")
    if "NoSuchBucket" in text:
        return RetrievalError(ExitCode.OBJECT_NOT_FOUND, "NoSuchBucket", f"{field}: no such bucket", f"{field}.uri")
    if isinstance(error, FileNotFoundError) or status == 404:
        return ObjectMissingError()
    if status == 412:
        return ObjectChangedError()
    message = f"{field}: the object store failed (status {status})" if status else f"{field}: no answer"
    return RetrievalError(ExitCode.OBJECT_STORE_UNAVAILABLE, "ObjectStoreUnavailable", message, f"{field}.uri")

"""Records in an object store: one object a batch, never replaced, and signed heads beside them.

Layout below the folder: records/<day>/<chain>/<first sequence number>.jsonl and heads/<chain>.json.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from obstore import get_async, put_async
from obstore import list as list_objects
from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from banktuner_gateway.audit.errors import SinkError
from banktuner_gateway.audit.heads import SignedHead, find_heads
from banktuner_gateway.audit.record import Witnessed

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config

INTERVAL = 0.1
SURVEY_SECONDS = 7 * 86400
SURVEY_CHAINS = 32
_FAILURES = (BaseError, OSError)


def open_bucket(uri: str, environment: Mapping[str, str], prefix: str = "") -> tuple[S3Store, str]:
    """The bucket of an s3:// URI, and the folder in it.

    `environment` has the AWS_… members behind `prefix`; without them the pod's own identity is used.
    """
    parts = urlsplit(uri)
    keys = {name: environment.get(f"{prefix}AWS_{name}", "").strip() for name in _KEYS}
    client: ClientConfig = {
        "allow_http": keys["ENDPOINT_URL"].startswith("http://"),
        "connect_timeout": timedelta(seconds=2),
        "timeout": timedelta(seconds=4),
    }
    # One attempt: the log repeats a write itself, and tells the callers in time.
    retry: RetryConfig = {"max_retries": 0, "retry_timeout": timedelta(seconds=4)}
    config: S3Config = {"region": keys["REGION"] or "us-east-1", "conditional_put": "etag"}
    if keys["ENDPOINT_URL"]:
        config["endpoint"] = keys["ENDPOINT_URL"].rstrip("/")
    if keys["ACCESS_KEY_ID"]:
        config["access_key_id"] = keys["ACCESS_KEY_ID"]
        config["secret_access_key"] = keys["SECRET_ACCESS_KEY"]
    if keys["SESSION_TOKEN"]:
        config["session_token"] = keys["SESSION_TOKEN"]
    bucket = S3Store(parts.netloc, config=config, client_options=client, retry_config=retry)
    return bucket, parts.path.strip("/")


_KEYS = ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "ENDPOINT_URL", "REGION")


class ObjectSink:
    """Objects that are written only where there is none (If-None-Match: *)."""

    interval = INTERVAL

    def __init__(self, bucket: S3Store, folder: str, chain: str, trusted: Callable[[SignedHead], bool]) -> None:
        """`trusted` tells whether a head in the store was made by a gateway."""
        self._trusted = trusted
        self._bucket = bucket
        self._folder = f"{folder}/" if folder else ""
        self._chain = chain
        self._pending: tuple[int, str] = (-1, "")
        """First sequence number of the lines under way, and their key."""

    async def write(self, first: int, lines: bytes) -> None:
        """See Sink. An object that is there already must be the same: then an earlier attempt did arrive."""
        if self._pending[0] != first:
            day = datetime.now(UTC).date().isoformat()
            self._pending = (first, f"{self._folder}records/{day}/{self._chain}/{first:012d}.jsonl")
        key = self._pending[1]
        try:
            await put_async(self._bucket, key, lines, mode="create")
        except AlreadyExistsError:
            if await self._read(key) != lines:
                raise SinkError("another writer has written this chain") from None
        except _FAILURES as error:
            raise SinkError(_why(error)) from None

    async def _read(self, key: str) -> bytes:
        try:
            return bytes(await (await get_async(self._bucket, key)).bytes_async())
        except _FAILURES as error:
            raise SinkError(_why(error)) from None

    async def survey(self) -> Sequence[Witnessed]:
        """See Sink: of the published heads, the newest few."""
        since = datetime.fromtimestamp(time.time() - SURVEY_SECONDS, UTC)
        try:
            pages = [page async for page in list_objects(self._bucket, prefix=f"{self._folder}heads/")]
        except _FAILURES as error:
            raise SinkError(_why(error)) from None
        recent = [item for page in pages for item in page if item["last_modified"] > since]
        recent.sort(key=lambda item: item["last_modified"], reverse=True)
        texts = await asyncio.gather(*(self._read(item["path"]) for item in recent[:SURVEY_CHAINS]))
        heads = [head for text in texts for head in find_heads(text.decode("utf-8", "replace"))[0]]
        return [
            Witnessed(chain=head.chain, sequence=head.sequence, hash=head.hash)
            for head in heads
            if head.chain != self._chain and self._trusted(head)
        ]

    async def publish(self, head: SignedHead) -> None:
        """See Sink."""
        try:
            await put_async(self._bucket, f"{self._folder}heads/{self._chain}.json", head.model_dump_json().encode())
        except _FAILURES as error:
            raise SinkError(_why(error)) from None

    async def close(self) -> None:
        """Nothing is held."""


def _why(error: Exception) -> str:
    """Never the error's text: a server's answer in it may echo credentials."""
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return "the object store refuses the credentials"
    return f"the object store did not take it ({type(error).__name__})"

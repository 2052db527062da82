"""Lets a caller's question in by its limits, and has what is left of them told with the answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from banktuner_gateway.deps import Deps
from banktuner_gateway.observability import RequestRecord


@asynccontextmanager
async def admitted(deps: Deps, record: RequestRecord) -> AsyncIterator[None]:
    """Holds one of the caller's places until the end. Raises ApiError 429."""
    async with deps.limiter.admit(record.caller or "") as quota:
        record.headers.update(quota.headers)
        yield

"""GET /audit/heads: how far the audit chains go, to be kept where the records are not.

It needs no token, as /metrics needs none: whoever keeps heads is no caller, and a head tells neither texts nor callers.
"""

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse

from banktuner_gateway.audit.heads import SignedHead
from banktuner_gateway.deps import Deps

PATH = "/audit/heads"
router = APIRouter()


class Heads(BaseModel):
    """Of this process's chain, and of those of other processes that it has seen. Before the first record: none."""

    heads: list[SignedHead]


@router.get(PATH, response_model=Heads)
async def heads(request: Request) -> JSONResponse:
    """The signed heads; `banktuner-audit verify --head` reads this answer."""
    request.state.record.route = PATH
    deps: Deps = request.app.state.deps
    return JSONResponse({"heads": [head.model_dump() for head in deps.audit.heads()]})

"""What the gateway's API says, as types."""

from dataclasses import dataclass

from pydantic import BaseModel


class Source(BaseModel):
    """A passage that the answer rests on; the answer cites it by `number`."""

    number: int
    document: str
    title: str = ""
    section: str = ""
    score: float | None = None


class Intent(BaseModel):
    """What the classifier takes the question for; `confidence` in 0 to 1."""

    label: str
    confidence: float


class Answer(BaseModel):
    """A whole answer. Fields that the gateway may have beyond these are not shown."""

    response: str
    adapter: str | None = None
    conversation_id: str | None = None
    intent: Intent | None = None
    sources: list[Source] = []
    refused: bool = False
    request_id: str = ""


class Piece(BaseModel):
    """Text that is to be put behind the text so far."""

    text: str


class Problem(BaseModel):
    """Of an error; `message` is a sentence for the reader."""

    code: str
    message: str
    field: str | None = None
    request_id: str | None = None


class ErrorBody(BaseModel):
    """The body of an error."""

    error: Problem


class Model(BaseModel):
    """One of those that can be asked."""

    id: str


class Models(BaseModel):
    """Body of /v1/models, what the caller may use of: the assistant, its base model where it has a default adapter,
    its adapters."""

    data: list[Model]


@dataclass(frozen=True)
class Choice:
    """Who is to answer: the BankingModel's default, the base model alone, or the adapter `name`."""

    kind: str
    name: str = ""

    def fields(self) -> dict[str, str | None]:
        """Of the request's body."""
        if self.kind == "default":
            return {}
        return {"adapter": self.name if self.kind == "adapter" else None}


DEFAULT = Choice("default")
BASE = Choice("base")


class GatewayError(Exception):
    """No answer. `status` is 0 where the gateway gave none, `retry_after` in seconds."""

    def __init__(self, problem: Problem, status: int = 0, retry_after: int | None = None) -> None:
        super().__init__(problem.code)
        self.problem = problem
        self.status = status
        self.retry_after = retry_after

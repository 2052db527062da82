"""current.json: which generation is searched. Replacing this one object is the switch, whatever the vector store."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from banktuner_api.common import ApiModel, Digest, Timestamp
from banktuner_gateway.retrieval.errors import broken_index, overtaken
from banktuner_gateway.retrieval.objects import Folder, ObjectChangedError, ObjectMissingError

NAME = "current.json"


class Skipped(ApiModel):
    """A document that could not be read."""

    path: str
    reason: str


class Current(ApiModel):
    """The generation that is searched. `encoder`: digest of the encoder that questions must be embedded with.

    `previous` is kept for gateways that have not switched yet. `content` changes with anything that was indexed.
    """

    schema_version: Literal[1] = 1
    generation: Annotated[str, Field(pattern=r"^g[a-z0-9]{1,40}$")]
    previous: str | None = None
    created: Timestamp
    encoder: Digest
    content: Digest
    store: str
    dimension: Annotated[int, Field(ge=1)]
    documents: Annotated[int, Field(ge=1)]
    chunks: Annotated[int, Field(ge=1)]
    skipped: list[Skipped] = []


@dataclass(frozen=True)
class Read:
    """The pointer (None: nothing was indexed yet) and the mark for `switch`."""

    current: Current | None
    etag: str | None


def read(folder: Folder) -> Read:
    """Waits for the network. Raises RetrievalError."""
    try:
        found = folder.get(NAME)
        return Read(Current.model_validate_json(found.data), found.etag)
    except ObjectMissingError:
        return Read(None, None)
    except ValidationError:
        raise broken_index(f"{NAME} cannot be read; remove it and run the indexing Job again") from None


def switch(folder: Folder, new: Current, before: Read) -> None:
    """Point to `new`, if the pointer still is what `before` says. Raises RetrievalError (INTERRUPTED) otherwise."""
    try:
        folder.replace(NAME, new.model_dump_json(by_alias=True, indent=1).encode(), before.etag)
    except ObjectChangedError:
        raise overtaken() from None

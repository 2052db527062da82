"""retrieval.json: what the indexing Job and the gateway's search are told."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from banktuner_api.common import ApiModel
from banktuner_api.gateway import VectorStore
from banktuner_api.run_config import ObjectRef
from banktuner_gateway.retrieval.errors import invalid_config

INDEX_FOLDER = ".banktuner"
"""Below the documents' folder, where nothing else is said; readers pass over names that begin with a dot."""


class RetrievalConfig(ApiModel):
    """`documents`, `embedding`: folders. `index`: folder for the pointer and the FAISS files, written by the Job only.

    `api_key_variable` names the environment variable with the vector store's key.
    """

    schema_version: Literal[1] = 1
    documents: ObjectRef
    embedding: ObjectRef
    index: ObjectRef
    vector_store: VectorStore = VectorStore()
    api_key_variable: str | None = None
    top_k: Annotated[int, Field(ge=1, le=20)] = 4


def default_index(documents: ObjectRef, collection: str) -> ObjectRef:
    """The index's folder: below the documents, with their credentials."""
    return documents.model_copy(update={"uri": f"{documents.uri.rstrip('/')}/{INDEX_FOLDER}/{collection}"})


def load_config(path: Path) -> RetrievalConfig:
    """Read retrieval.json. Raises RetrievalError (INVALID_CONFIG)."""
    try:
        return RetrievalConfig.model_validate_json(path.read_bytes())
    except OSError as error:
        raise invalid_config(f"{path.name} cannot be read: {error.strerror}", None) from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise invalid_config(f"{path.name}: {wrong}", None) from error

"""retrieval.json as the indexing Job and the gateway's search read it; the operator writes it."""

from pathlib import Path

from pydantic import ValidationError

from banktuner_api.serving import RetrievalConfig
from banktuner_gateway.retrieval.errors import invalid_config


def load_config(path: Path) -> RetrievalConfig:
    """Read retrieval.json. Raises RetrievalError (INVALID_CONFIG)."""
    try:
        return RetrievalConfig.model_validate_json(path.read_bytes())
    except OSError as error:
        raise invalid_config(f"{path.name} cannot be read: {error.strerror}", None) from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise invalid_config(f"{path.name}: {wrong}", None) from error

"""The chat template that an engine renders conversations with: the base model's, else that of its first adapter.

Engines read it from the base model's folder only. An adapter that was trained with another one would be asked in
words that it never saw, and answer badly without any error.
"""

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from banktuner_api.common import Digest
from banktuner_api.manifest import sha256_digest
from banktuner_stager.folder import TEMPLATE_FILE

LOG = logging.getLogger("banktuner.stager")

TOKENIZER_CONFIG = "tokenizer_config.json"
NO_TEMPLATE = sha256_digest(b"")
"""The digest of what an engine without chat template renders with."""
_DEFAULT = "default"


def settle(model: Path, adapters: Iterable[Path]) -> None:
    """Have the model's folder say its template in the one place that all engines read. Raises OSError."""
    template = template_of(model) or next(filter(None, map(template_of, adapters)), None)
    if template is None:
        LOG.warning("neither the base model nor an adapter has a chat template: the engine cannot answer conversations")
        return
    config = _config(model)
    if config.get("chat_template") != template:
        (model / TOKENIZER_CONFIG).write_text(json.dumps(config | {"chat_template": template}), encoding="utf-8")
        LOG.info("the engine gets its chat template in %s", TOKENIZER_CONFIG)


def template_of(folder: Path) -> str | None:
    """The template of a model or an adapter; of several with names, the default one. Raises OSError."""
    path = folder / TEMPLATE_FILE
    if path.exists():
        return path.read_text(encoding="utf-8")
    said = _config(folder).get("chat_template")
    if isinstance(said, list):
        named = (one for one in said if isinstance(one, dict) and one.get("name") == _DEFAULT)
        said = next((one.get("template") for one in named), None)
    return said if isinstance(said, str) else None


def template_digest(folder: Path) -> Digest | None:
    """As manifests tell it of an adapter. Raises OSError."""
    template = template_of(folder)
    return None if template is None else sha256_digest(template.encode())


def _config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / TOKENIZER_CONFIG).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}

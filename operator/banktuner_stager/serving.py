"""`stage-model`: brings the base model into a serving pod, and for TGI the adapters, which it loads at start only."""

import logging
from collections.abc import Mapping
from functools import partial

from pydantic import ValidationError

from banktuner_api import handshake, names
from banktuner_api.bankingmodel import Engine
from banktuner_api.common import Digest
from banktuner_api.serving import DesiredAdapter, DesiredState
from banktuner_stager.adapter import Limits, fetch_adapter, open_adapter
from banktuner_stager.chat_template import settle, template_digest
from banktuner_stager.errors import StagerError, invalid_config
from banktuner_stager.model import stage_model
from banktuner_stager.paths import BASE_MODEL_DIGEST, Paths
from banktuner_stager.reporting import log_word
from banktuner_stager.stage import open_source
from banktuner_stager.waiting import Patience

LOG = logging.getLogger("banktuner.stager")


def read_desired(paths: Paths) -> DesiredState:
    """The mounted desired.json. Raises StagerError (INVALID_CONFIG)."""
    place = paths.config / names.DESIRED_KEY
    try:
        return DesiredState.model_validate_json(place.read_bytes())
    except (OSError, ValidationError) as error:
        raise invalid_config(f"{place} cannot be read: {type(error).__name__}", None) from error


def read_base_digest(paths: Paths) -> Digest:
    """The `tree_digest` of the staged base model. Raises OSError where `stage-model` did not run."""
    return (paths.control / BASE_MODEL_DIGEST).read_text(encoding="utf-8").strip()


def stage_serving(desired: DesiredState, paths: Paths, environment: Mapping[str, str]) -> None:
    """Do the init container's work. Raises StagerError."""
    patience = Patience(tell=log_word)
    source = open_source(desired.model, "spec.model.uri", "spec.model.secretRef", environment)
    digest = stage_model(desired.model, source, paths.model, patience, partial(log_word, ""))
    handshake.write_atomic(paths.control / BASE_MODEL_DIGEST, digest)
    limits = Limits(desired.max_rank, digest, template_digest(paths.model))
    if desired.engine is Engine.TGI:
        for adapter in desired.versions:
            _stage_adapter(adapter, limits, paths, environment, patience)
    elif limits.chat_template is None:
        _stage_one_adapter(desired, limits, paths, environment, patience)
    settle(paths.model, (paths.adapters / adapter.served_name for adapter in desired.versions))
    if desired.engine is Engine.TGI:
        lines = (f'"{adapter.served_name}" 1;\n' for adapter in desired.versions)
        handshake.write_atomic(paths.control / names.SERVED_MAP.name, "".join(lines))


def _stage_one_adapter(
    desired: DesiredState, limits: Limits, paths: Paths, environment: Mapping[str, str], patience: Patience
) -> None:
    """Bring the first adapter that can be used: vLLM loads adapters later, but wants a chat template now."""
    for adapter in desired.adapters:
        try:
            _stage_adapter(adapter, limits, paths, environment, patience)
        except StagerError as error:
            LOG.warning("%s: %s", error.reason, error.message)
        else:
            return


def _stage_adapter(
    adapter: DesiredAdapter, limits: Limits, paths: Paths, environment: Mapping[str, str], patience: Patience
) -> None:
    source = open_adapter(adapter, environment)
    patience.run(lambda: fetch_adapter(adapter, source, paths.adapters, limits), source.location.uri, source.field)
    LOG.info("adapter %s is staged as %s", adapter.name, adapter.served_name)

"""Fetches one adapter version for an engine: pinned by digest, verified, and checked against the base model."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from banktuner_api.common import Digest
from banktuner_api.exit_codes import ExitCode
from banktuner_api.finetunejob_status import ServedAs
from banktuner_api.manifest import Manifest
from banktuner_api.serving import DesiredAdapter
from banktuner_stager import folder
from banktuner_stager.download import Source, fetch_folder, fetch_manifest, root_files
from banktuner_stager.errors import StagerError, invalid_model, unsafe_file
from banktuner_stager.store import Entry, open_store

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"


@dataclass(frozen=True)
class Limits:
    """What the engine can take: the largest rank, the `tree_digest` of the base model that it serves, and the digest of
    the chat template that it renders conversations with; None where it has none yet and takes an adapter's."""

    max_rank: int
    base_digest: Digest
    chat_template: Digest | None = None


def open_adapter(adapter: DesiredAdapter, environment: Mapping[str, str]) -> Source:
    """The adapter's folder. Raises StagerError (INVALID_CONFIG)."""
    field = f"spec.adapters[{adapter.name}]"
    store, location = open_store(adapter.source, field, f"{field}.secretRef", environment)
    return Source(store, location, field)


def fetch_adapter(adapter: DesiredAdapter, source: Source, adapters: Path, limits: Limits) -> None:
    """Bring <adapters>/<served name>/; complete and verified, or not at all. Raises StoreError, StagerError."""
    destination = adapters / adapter.served_name
    if destination.exists():
        return
    manifest = fetch_manifest(source, adapter.digest)
    check_manifest(manifest, source, limits)
    files = root_files(manifest)
    entries = [Entry(file.path, file.size_bytes) for file in files.values()]
    folder.check_bounds(entries, source.location.uri, source.field)
    beside = adapters / f"{adapter.served_name}.tmp"
    fetch_folder(source, entries, beside, files, lambda _: None)
    config = folder.json_object(CONFIG, (beside / CONFIG).read_bytes(), source.location.uri, source.field)
    check_config(config, source, limits)
    beside.rename(destination)


def check_manifest(manifest: Manifest, source: Source, limits: Limits) -> None:
    """Refuse what is no adapter of the served base model. Raises StagerError."""
    uri, field = source.location.uri, source.field
    if manifest.served_as is not ServedAs.ADAPTER:
        message = f"{field}: {uri} is served as {manifest.served_as.value}, not as an adapter"
        raise StagerError(ExitCode.INVALID_MODEL, "NotServable", message, field)
    if manifest.base_model_digest != limits.base_digest:
        message = (
            f"{field}: {uri} was trained on the base model {manifest.base_model_digest}, and spec.model is"
            f" {limits.base_digest}: train it on the served model, or serve the model that it was trained on"
        )
        raise StagerError(ExitCode.INVALID_MODEL, "BaseModelMismatch", message, field)
    if limits.chat_template is not None and manifest.chat_template_digest not in (None, limits.chat_template):
        message = (
            f"{field}: {uri} was trained with another chat template than the engine has: train it on the served model;"
            " where that has no template of its own, delete the model's pods, and they start with an adapter's"
        )
        raise StagerError(ExitCode.INVALID_MODEL, "ChatTemplateMismatch", message, field)
    paths = root_files(manifest).keys()
    foreign = sorted(path for path in paths if PurePosixPath(path).suffix not in folder.ADAPTER_SUFFIXES)
    if foreign:
        raise unsafe_file(f"{field}: {uri}/{foreign[0]} is of a kind that an adapter does not have", field)
    if not {CONFIG, WEIGHTS} <= paths:
        raise invalid_model(f"{field}: {uri} must have {CONFIG} and {WEIGHTS}", field)


def check_config(config: Mapping[str, Any], source: Source, limits: Limits) -> None:
    """Refuse an adapter that the engine cannot apply. Raises StagerError (INVALID_MODEL)."""
    uri, field = source.location.uri, source.field
    if config.get("peft_type") != "LORA":
        raise invalid_model(f"{field}: {uri} is a {config.get('peft_type')!s:.40} adapter; engines take LORA", field)
    pattern = config.get("rank_pattern") or {}
    ranks = [config.get("r"), *(pattern.values() if isinstance(pattern, dict) else [pattern])]
    if not all(isinstance(rank, int) and rank >= 1 for rank in ranks):
        raise invalid_model(f"{field}: {uri}/{CONFIG} has no sane rank", field)
    if max(ranks) > limits.max_rank:
        message = f"{field}: {uri} has rank {max(ranks)}, and spec.lora.maxRank is {limits.max_rank}: raise it"
        raise StagerError(ExitCode.INVALID_MODEL, "RankTooLarge", message, field)

"""`stage-gateway`: brings the models that a gateway runs itself: its classifier, and that of people's names."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial

from pydantic import ValidationError

from banktuner_api import names
from banktuner_api.common import Digest
from banktuner_api.exit_codes import ExitCode
from banktuner_api.finetunejob_status import ServedAs
from banktuner_api.manifest import Manifest, ManifestFile
from banktuner_api.run_config import ObjectRef
from banktuner_api.serving import GatewayConfig
from banktuner_stager import folder
from banktuner_stager.download import Source, fetch_folder, fetch_manifest
from banktuner_stager.errors import StagerError, invalid_config, invalid_model
from banktuner_stager.model import Meter
from banktuner_stager.paths import Paths
from banktuner_stager.reporting import log_word
from banktuner_stager.stage import open_source
from banktuner_stager.store import Entry, Kind, StoreError
from banktuner_stager.waiting import Patience

LOG = logging.getLogger("banktuner.stager")

CLASSIFIER_FIELD = "spec.gateway.scope.classifier"
CLASSIFIER_FILES = frozenset({"classifier.onnx", "classifier.json", "tokenizer.json"})
"""In the `onnx/` folder of a Classification artifact."""

NAMES_FIELD = "spec.gateway.privacy.names"
NAME_GRAPHS = ("model.onnx", "onnx/model.onnx")
NAME_TABLES = ("tokenizer.json", "config.json")
LARGEST_GRAPH = 1024**3
"""A larger one does not fit into the gateway's memory beside the others."""
LARGEST_TABLE = 64 * 1024**2


def read_gateway(paths: Paths) -> GatewayConfig:
    """The mounted gateway.json. Raises StagerError (INVALID_CONFIG)."""
    place = paths.config / names.GATEWAY_CONFIG_KEY
    try:
        return GatewayConfig.model_validate_json(place.read_bytes())
    except (OSError, ValidationError) as error:
        raise invalid_config(f"{place} cannot be read: {type(error).__name__}", None) from error


def stage_gateway(config: GatewayConfig, paths: Paths, environment: Mapping[str, str]) -> None:
    """Do the init container's work. Raises StagerError."""
    if config.classifier is not None:
        _stage_classifier(config.classifier, paths, environment, Patience(tell=log_word))
    if config.name_model is not None:
        _stage_names(config.name_model, paths, environment, Patience(tell=log_word))


def _stage_classifier(ref: ObjectRef, paths: Paths, environment: Mapping[str, str], patience: Patience) -> None:
    """Every file is verified by the manifest, and the manifest by the digest that pins the artifact."""
    source = open_source(ref, CLASSIFIER_FIELD, f"{CLASSIFIER_FIELD}.secretRef", environment)
    digest = ref.digest
    if digest is None:
        raise invalid_config(f"{source.field}: {source.location.uri} is not pinned by a digest", source.field)

    def fetch() -> None:
        files = classifier_files(fetch_manifest(source, digest), source)
        entries = [Entry(path, file.size_bytes) for path, file in files.items()]
        folder.check_bounds(entries, source.location.uri, source.field)
        inside = Source(source.store, source.location.child("onnx"), source.field)
        fetch_folder(inside, entries, paths.classifier, files, Meter("classifier", entries, partial(log_word, "")))

    patience.run(fetch, source.location.uri, source.field)
    LOG.info("the classifier %s is staged", digest)


def classifier_files(manifest: Manifest, source: Source) -> dict[str, ManifestFile]:
    """The files of a classifier's `onnx/` folder, by their paths in it. Raises StagerError (INVALID_MODEL)."""
    uri, field = source.location.uri, source.field
    if manifest.served_as is not ServedAs.CLASSIFIER:
        message = f"{field}: {uri} is served as {manifest.served_as.value}, and a classifier is needed"
        raise StagerError(ExitCode.INVALID_MODEL, "ClassifierNotUsable", message, field)
    inside = {file.path.removeprefix("onnx/"): file for file in manifest.files if file.path.startswith("onnx/")}
    missing = sorted(CLASSIFIER_FILES - inside.keys())
    if missing:
        message = f"{field}: {uri} has no onnx/{missing[0]}: tune a model that one ONNX file (2 GB) can hold"
        raise invalid_model(message, field)
    return inside


def _stage_names(ref: ObjectRef, paths: Paths, environment: Mapping[str, str], patience: Patience) -> None:
    """Only the files that are read are brought; no digest pins them, as with spec.model.uri."""
    source = open_source(ref, f"{NAMES_FIELD}.uri", f"{NAMES_FIELD}.secretRef", environment)

    def fetch() -> Digest:
        found = source.store.list(source.location.key)
        if not found:
            raise StoreError(Kind.NOT_FOUND, "empty")
        entries = name_files(found, source)
        meter = Meter("name model", entries, partial(log_word, ""))
        return fetch_folder(source, entries, paths.name_model, None, meter)

    digest = patience.run(fetch, source.location.uri, source.field)
    LOG.info("the name model %s is staged", digest)


def name_files(found: Sequence[Entry], source: Source) -> list[Entry]:
    """The files of a token classifier: one graph, tokenizer.json, config.json. Raises StagerError (INVALID_MODEL)."""
    uri, field = source.location.uri, source.field
    by_path = {entry.path: entry for entry in found}
    graph = next((by_path[path] for path in NAME_GRAPHS if path in by_path), None)
    missing = [path for path in NAME_TABLES if path not in by_path]
    if graph is None or missing:
        what = " and no ".join([*(() if graph else (" or ".join(NAME_GRAPHS),)), *missing])
        message = f"{field}: {uri} has no {what}: export a token classifier of transformers to ONNX"
        raise invalid_model(message, field)
    entries = [graph, *(by_path[path] for path in NAME_TABLES)]
    for entry, most in zip(entries, (LARGEST_GRAPH, LARGEST_TABLE, folder.MAX_CONFIG_BYTES), strict=True):
        if not 0 < entry.size <= most:
            size = f"{uri}/{entry.path} has {entry.size} bytes; 1 to {most} are taken"
            message = f"{field}: {size}: export it again, or take a smaller model"
            raise invalid_model(message, field)
    return entries

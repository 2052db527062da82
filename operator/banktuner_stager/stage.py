"""`stage`: brings model and data into a training pod, unless this attempt is committed already."""

import logging
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from banktuner_api import handshake
from banktuner_api.checkpoint import run_fingerprint
from banktuner_api.common import Digest
from banktuner_api.finetunejob_status import CheckpointStatus
from banktuner_api.handshake import Staged, StagedFile
from banktuner_api.run_config import EvaluationConfig, ObjectRef, RunConfig
from banktuner_stager import folder
from banktuner_stager.checkpoints import fetch_newest
from banktuner_stager.commit import find_committed
from banktuner_stager.download import Source, fetch_file
from banktuner_stager.errors import invalid_data
from banktuner_stager.model import Meter, stage_artifact, stage_model
from banktuner_stager.paths import Paths
from banktuner_stager.reporting import Progress
from banktuner_stager.store import Entry, open_store
from banktuner_stager.waiting import Patience

LOG = logging.getLogger("banktuner.stager")

OUTPUT_FIELD = "spec.output.uri"
OUTPUT_SECRET_FIELD = "spec.output.secretRef"


_OF_EARLIER_PODS = (
    *(handshake.STAGED, handshake.ARTIFACT, handshake.COMMITTED, handshake.PUBLISH_FAILURE),
    *(handshake.CHECKPOINT, handshake.CHECKPOINT_STORED, handshake.CHECKPOINT_FAILURE),
)


def open_source(ref: ObjectRef, field: str, secret_field: str, environment: Mapping[str, str]) -> Source:
    """What `ref` names, under the spec field that it came from. Raises StagerError (INVALID_CONFIG)."""
    store, location = open_store(ref, field, secret_field, environment)
    return Source(store, location, field)


def open_output(config: RunConfig, environment: Mapping[str, str]) -> Source:
    """The attempt's artifact folder. Raises StagerError (INVALID_CONFIG)."""
    return open_source(config.output, OUTPUT_FIELD, OUTPUT_SECRET_FIELD, environment)


def open_checkpoints(config: RunConfig, environment: Mapping[str, str]) -> Source:
    """The folder of the job's checkpoints, which must be configured. Raises StagerError (INVALID_CONFIG)."""
    if config.checkpoints is None:
        raise ValueError("the run's configuration names no place for checkpoints")
    return open_source(config.checkpoints, OUTPUT_FIELD, OUTPUT_SECRET_FIELD, environment)


def stage(config: RunConfig, paths: Paths, environment: Mapping[str, str], progress: Progress) -> None:
    """Do the init container's work; control files say what came. Raises StagerError."""
    patience = Patience(tell=progress.tell)
    for name in _OF_EARLIER_PODS:
        (paths.control / name).unlink(missing_ok=True)
    output = open_output(config, environment)
    committed = patience.run(lambda: find_committed(output), output.location.uri, output.field)
    if committed is not None:
        LOG.info("attempt %d is committed already as %s", config.job.attempt, committed.artifact.digest)
        handshake.write_control(paths.control, handshake.COMMITTED, committed)
        return
    staged = _stage_inputs(config, paths, environment, patience)
    staged = staged.model_copy(update={"checkpoint": _stage_checkpoint(config, staged, paths, environment, patience)})
    handshake.write_control(paths.control, handshake.STAGED, staged)
    progress.tell("", "model and data are staged")


def _stage_inputs(config: RunConfig, paths: Paths, environment: Mapping[str, str], patience: Patience) -> Staged:
    data = config.dataset
    sources = {
        "train": _data_source(data.train, "spec.dataset.uri", environment),
        "test": _data_source(data.test, "spec.dataset.testUri", environment),
        "out_of_scope": _data_source(data.out_of_scope, "spec.dataset.outOfScopeUri", environment),
    }
    shutil.rmtree(paths.data, ignore_errors=True)
    files = {name: _stage_file(name, source, paths.data, patience) for name, source in sources.items() if source}
    model_digest = _stage_model(config.model, paths, environment, patience)
    _stage_compared(config.evaluation, paths, environment, patience)
    return Staged(
        model_digest=model_digest,
        train=files["train"],
        test=files.get("test"),
        out_of_scope=files.get("out_of_scope"),
    )


def _stage_checkpoint(
    config: RunConfig, staged: Staged, paths: Paths, environment: Mapping[str, str], patience: Patience
) -> CheckpointStatus | None:
    """What an earlier attempt of the same run left."""
    if config.checkpoints is None:
        return None
    source, run = open_checkpoints(config, environment), run_fingerprint(config, staged)
    found = patience.run(
        lambda: fetch_newest(source, run, paths.resume, partial(patience.tell, "")), source.location.uri, source.field
    )
    if found is not None:
        LOG.info("the attempt goes on from step %d", found.manifest.step)
    return found.told() if found else None


def _stage_compared(
    evaluation: EvaluationConfig, paths: Paths, environment: Mapping[str, str], patience: Patience
) -> None:
    """The sentence encoder and the artifact that serves now, where the evaluation names them."""
    tell = partial(patience.tell, "")
    encoder, promoted = evaluation.encoder, evaluation.promoted
    if encoder is not None:
        secret_field = "spec.evaluation.encoder.secretRef"
        source = open_source(encoder, "spec.evaluation.encoder.uri", secret_field, environment)
        stage_model(encoder, source, paths.encoder, patience, tell, "encoder")
    if promoted is not None:
        source = open_source(promoted, "spec.evaluation.promoted", "spec.evaluation.promoted", environment)
        stage_artifact(promoted, source, paths.promoted, patience, tell)


def _stage_model(
    ref: ObjectRef | None, paths: Paths, environment: Mapping[str, str], patience: Patience
) -> Digest | None:
    if ref is None:
        return None
    # Only the artifact of a FineTuneJob is pinned by a digest here: spec.model.uri has none.
    field = "spec.model.uri" if ref.digest is None else "spec.model.fineTuneJob"
    source = open_source(ref, field, "spec.model.secretRef", environment)
    return stage_model(ref, source, paths.model, patience, partial(patience.tell, ""))


def _data_source(ref: ObjectRef | None, field: str, environment: Mapping[str, str]) -> Source | None:
    if ref is None:
        return None
    folder.data_suffix(ref.uri, field)
    return open_source(ref, field, "spec.dataset.secretRef", environment)


def _stage_file(name: str, source: Source, destination: Path, patience: Patience) -> StagedFile:
    path = destination / f"{name}{folder.data_suffix(source.location.uri, source.field)}"
    size = patience.run(lambda: _data_size(source), source.location.uri, source.field)
    folder.check_bounds([Entry(source.location.key, size)], source.location.uri, source.field)
    destination.mkdir(parents=True, exist_ok=True)
    folder.check_room(size, shutil.disk_usage(destination).free, source.location.uri)

    def fetch() -> str:
        meter = Meter(f"data ({name})", [Entry(source.location.key, size)], partial(patience.tell, ""))
        return fetch_file(source.store, source.location.key, path, meter)

    sha256 = patience.run(fetch, source.location.uri, source.field)
    return StagedFile(path=str(path), sha256=sha256, size_bytes=path.stat().st_size)


def _data_size(source: Source) -> int:
    size = source.store.size(source.location.key)
    if size == 0:
        raise invalid_data(f"{source.field}: {source.location.uri} is empty: it needs at least one row", source.field)
    return size

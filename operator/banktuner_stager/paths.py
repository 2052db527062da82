"""Where a pod keeps things: the configuration, the shared volume, what Kubernetes mounts, the engine."""

from dataclasses import dataclass
from pathlib import Path

from banktuner_api import names

ADAPTERS_READY = "adapters-ready"
"""Control file that the sync sidecar's readiness probe looks for."""
BASE_MODEL_DIGEST = "base-model-digest"
"""Control file with the `tree_digest` of the staged base model."""


@dataclass(frozen=True)
class Paths:
    """Mount points and the engine's address; the defaults are those of every pod."""

    config: Path = names.CONFIG_DIR
    work: Path = names.WORK_DIR
    token: Path = names.TOKEN_FILE
    termination_log: Path = names.TERMINATION_LOG
    engine_url: str = f"http://127.0.0.1:{names.ENGINE_PORT}"

    @property
    def control(self) -> Path:
        """Control files between the containers."""
        return self.work / "control"

    @property
    def model(self) -> Path:
        """The base model's folder."""
        return self.work / "model"

    @property
    def data(self) -> Path:
        """The data set's folder."""
        return self.work / "data"

    @property
    def encoder(self) -> Path:
        """The sentence encoder's folder."""
        return self.work / "encoder"

    @property
    def classifier(self) -> Path:
        """The folder of a gateway's classifier: its artifact's `onnx/`."""
        return self.work / names.CLASSIFIER_DIR.relative_to(names.WORK_DIR)

    @property
    def promoted(self) -> Path:
        """The folder of the artifact that serves now."""
        return self.work / "promoted"

    @property
    def resume(self) -> Path:
        """The checkpoint that an attempt goes on from."""
        return self.work / "resume"

    @property
    def output(self) -> Path:
        """Where the trainer leaves the artifact's files."""
        return self.work / "output"

    @property
    def adapters(self) -> Path:
        """One folder a served adapter version."""
        return self.work / "adapters"

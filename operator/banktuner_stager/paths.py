"""Where a pod keeps things: the configuration, the shared volume, what Kubernetes mounts, the engine."""

from dataclasses import dataclass
from pathlib import Path

from banktuner_api import names
from banktuner_api.work_folder import WorkFolder

ADAPTERS_READY = "adapters-ready"
"""Control file that the sync sidecar's readiness probe looks for."""
BASE_MODEL_DIGEST = "base-model-digest"
"""Control file with the `tree_digest` of the staged base model."""


@dataclass(frozen=True)
class Paths(WorkFolder):
    """Mount points and the engine's address; the defaults are those of every pod."""

    config: Path = names.CONFIG_DIR
    work: Path = names.WORK_DIR
    token: Path = names.TOKEN_FILE
    termination_log: Path = names.TERMINATION_LOG
    engine_url: str = f"http://127.0.0.1:{names.ENGINE_PORT}"

    @property
    def data(self) -> Path:
        """The data set's folder."""
        return self.work / "data"

    @property
    def classifier(self) -> Path:
        """The folder of a gateway's classifier: its artifact's `onnx/`."""
        return self.work / names.CLASSIFIER_DIR.relative_to(names.WORK_DIR)

    @property
    def name_model(self) -> Path:
        """The folder of a gateway's model of people's names."""
        return self.work / names.NAME_MODEL_DIR.relative_to(names.WORK_DIR)

    @property
    def adapters(self) -> Path:
        """One folder a served adapter version."""
        return self.work / "adapters"

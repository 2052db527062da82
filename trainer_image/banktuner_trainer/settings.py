"""Where things lie in the pod. The environment may move them, so that a run needs no container."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from banktuner_api import names
from banktuner_api.run_config import RunConfig
from banktuner_api.work_folder import WorkFolder
from banktuner_trainer.errors import invalid_config


@dataclass(frozen=True)
class Paths(WorkFolder):
    """Directories and files of one attempt."""

    config: Path = names.CONFIG_DIR
    work: Path = names.WORK_DIR
    termination_log: Path = names.TERMINATION_LOG
    token: Path = names.TOKEN_FILE

    @property
    def checkpoints(self) -> Path:
        """Checkpoints of this attempt, one folder `step-<n>` each."""
        return self.work / "checkpoints"

    @property
    def tracking(self) -> Path:
        """What was measured at each logging step."""
        return self.work / "tracking"

    @property
    def scratch(self) -> Path:
        """Room for the training loop; never published."""
        return self.work / "scratch"


def paths_from(environment: Mapping[str, str] = os.environ) -> Paths:
    """Paths of this process: BANKTUNER_CONFIG_DIR, _WORK_DIR, _TERMINATION_LOG and _TOKEN_FILE move them."""
    moved = {
        "config": environment.get("BANKTUNER_CONFIG_DIR"),
        "work": environment.get("BANKTUNER_WORK_DIR"),
        "termination_log": environment.get("BANKTUNER_TERMINATION_LOG"),
        "token": environment.get("BANKTUNER_TOKEN_FILE"),
    }
    return Paths(**{key: Path(value) for key, value in moved.items() if value})


def read_run_config(paths: Paths) -> RunConfig:
    """The attempt's configuration. Raises TrainerError (InvalidConfig) that names the first wrong field."""
    path = paths.config / names.RUN_CONFIG_KEY
    try:
        return RunConfig.model_validate_json(path.read_bytes())
    except OSError as error:
        raise invalid_config(f"cannot read {path}: {error.strerror}", "spec") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise invalid_config(f"{path}: {where}: {first['msg']}", f"spec.{where}") from error

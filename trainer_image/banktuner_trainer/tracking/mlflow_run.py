"""MLflow: a run on a server, over its REST interface."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from banktuner_api.finetunejob_spec import MlflowTracking
from banktuner_trainer.tracking.record import Point
from banktuner_trainer.tracking.run import TrackedRun

KEYS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
IDENTITY = "banktuner.uid"
BATCH = 500
"""Values in one request; the server takes 1,000."""
PARAMETERS = 100
"""Parameters in one request, the server's limit."""
_ONE_SHORT_TRY = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""Tries are repeated by the sidecar, which must be able to end in between."""


class MlflowRun:
    """One run, found by the job's uid or made by `start`. Methods raise MlflowException and what HTTP raises.

    The server ignores a point that it has already, so that nothing is counted twice.
    """

    def __init__(self, settings: MlflowTracking, run: TrackedRun) -> None:
        """Nothing is sent yet."""
        self._settings = settings
        self._run = run
        self._client: Any = None
        self._run_id = ""

    def start(self, environment: Mapping[str, str]) -> None:
        """`environment`: values of KEYS, as far as there are any."""
        os.environ.update(_ONE_SHORT_TRY | dict(environment))
        from mlflow.tracking import MlflowClient

        self._client = MlflowClient(self._settings.uri)
        experiment = self._experiment()
        known = self._client.search_runs([experiment], f"tags.`{IDENTITY}` = '{self._run.identity}'", max_results=1)
        if known:
            run = known[0]
            self._client.update_run(run.info.run_id, status="RUNNING")
        else:
            run = self._client.create_run(experiment, run_name=self._run.name, tags={IDENTITY: self._run.identity})
        self._run_id = run.info.run_id
        if not run.data.params:
            self._send_parameters()

    def points(self, points: Sequence[Point]) -> None:
        """Send them all, several points in a request."""
        from mlflow.entities import Metric

        values = [
            Metric(name, value, round(point.time * 1000), point.step)
            for point in points
            for name, value in point.values.items()
        ]
        for start in range(0, len(values), BATCH):
            self._client.log_batch(self._run_id, metrics=values[start : start + BATCH])

    def finish(self, succeeded: bool) -> None:
        """End the run."""
        self._client.set_terminated(self._run_id, "FINISHED" if succeeded else "FAILED")

    def _experiment(self) -> str:
        name = self._settings.experiment
        found = self._client.get_experiment_by_name(name)
        return str(found.experiment_id if found else self._client.create_experiment(name))

    def _send_parameters(self) -> None:
        from mlflow.entities import Param

        parameters = [Param(name, value) for name, value in self._run.parameters.items()]
        for start in range(0, len(parameters), PARAMETERS):
            self._client.log_batch(self._run_id, params=parameters[start : start + PARAMETERS])

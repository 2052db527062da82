"""A real MLflow server with its users' logins, in an environment of its own (`make .venv-mlflow/.ready`)."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import requests

from tests.support.ports import free_port
from tests.trainer.harness import ROOT

PROGRAM = ROOT / ".venv-mlflow" / "bin" / "mlflow"
ADMIN = ("admin", "only-this-test-knows")
CLERK = ("clerk", "pa55-of-the-clerk")
LOGIN = {"MLFLOW_TRACKING_USERNAME": CLERK[0], "MLFLOW_TRACKING_PASSWORD": CLERK[1]}
START_SECONDS = 300


class MlflowServer:
    """Keeps its files in `folder` and its port, also when it is stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.uri = f"http://127.0.0.1:{free_port()}"
        logins = {
            "default_permission": "NO_PERMISSIONS",
            "database_uri": f"sqlite:///{folder / 'logins.db'}",
            "admin_username": ADMIN[0],
            "admin_password": ADMIN[1],
            "authorization_function": "mlflow.server.auth:authenticate_request_basic_auth",
        }
        (folder / "auth.ini").write_text("\n".join(["[mlflow]", *(f"{name} = {logins[name]}" for name in logins)]))

    def start(self) -> None:
        """Returns when it answers."""
        port = self.uri.rpartition(":")[2]
        command = [PROGRAM, "server", "--app-name", "basic-auth", "--host", "127.0.0.1", "--port", port]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{self._folder / 'runs.db'}"]
        settings = {"MLFLOW_AUTH_CONFIG_PATH": str(self._folder / "auth.ini"), "MLFLOW_FLASK_SERVER_SECRET_KEY": "key"}
        settings |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | settings
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--default-artifact-root", str(self._folder / "artifacts")],
                env=environment,
                cwd=self._folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._await_answer()

    def stop(self) -> None:
        """With all of its processes."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _await_answer(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
            try:
                requests.get(f"{self.uri}/health", timeout=10).raise_for_status()
                return
            except requests.RequestException:
                time.sleep(0.2)
        raise AssertionError((self._folder / "log").read_text()[-2000:])

    def ask(self, method: str, call: str, **content: Any) -> Any:
        """As the administrator. Raises requests.HTTPError."""
        field = "params" if method == "GET" else "json"
        url = f"{self.uri}/api/2.0/mlflow/{call}"
        answer = requests.request(method, url, auth=ADMIN, timeout=60, **{field: content})  # type: ignore[arg-type]
        answer.raise_for_status()
        return answer.json()

    def runs(self, experiment: str) -> list[dict[str, Any]]:
        """Of an experiment; none where there is no such experiment."""
        found = self.ask("POST", "experiments/search", max_results=1000).get("experiments", [])
        ids = [one["experiment_id"] for one in found if one["name"] == experiment]
        return list(self.ask("POST", "runs/search", experiment_ids=ids).get("runs", [])) if ids else []

    def measured(self, experiment: str) -> set[str]:
        """Names of what an experiment's runs were measured at."""
        return {one["key"] for run in self.runs(experiment) for one in run["data"].get("metrics", [])}

    def history(self, run: dict[str, Any], key: str) -> list[dict[str, Any]]:
        """Every point of one metric, in the order of their steps."""
        asked = self.ask("GET", "metrics/get-history", run_id=run["info"]["run_id"], metric_key=key)
        return sorted(asked.get("metrics", []), key=lambda point: int(point["step"]))

"""Numbers of a run on their way to TensorBoard, MLflow and W&B, and what happens when a tracker is away."""

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

pytest.importorskip("mlflow")

from banktuner_api.common import SecretRef
from banktuner_api.finetunejob_spec import MlflowTracking
from banktuner_api.manifest import ALLOWED_SUFFIXES, FILE_PATH
from banktuner_api.names import secret_env_prefix
from banktuner_api.run_config import RunConfig
from banktuner_trainer.reporting import metric
from banktuner_trainer.settings import paths_from
from banktuner_trainer.tracking import reports, sidecar
from banktuner_trainer.tracking.mlflow_run import MlflowRun
from banktuner_trainer.tracking.record import METRICS_FILE, Follower, Recorder, loss_curve, read_points
from banktuner_trainer.tracking.run import tracked
from tests.trainer.harness import Pod, run_config

SECRET = "mlflow-login"
API = "/api/2.0/mlflow/"


class Mlflow(ThreadingHTTPServer):
    """The part of MLflow's REST interface that the sidecar uses, over real HTTP, with its state in memory."""

    def __init__(self) -> None:
        """On a free port; `refusing`: answers 503 to everything."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.experiments: dict[str, str] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.logins: set[str] = set()
        self.refused = 0
        self.refusing = False
        self.lock = threading.Lock()

    @property
    def uri(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def run(self) -> dict[str, Any]:
        """The only run."""
        [only] = self.runs.values()
        return only

    def answer(self, call: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """What a call gives; None: there is no such thing."""
        if call == "experiments/get-by-name":
            number = self.experiments.get(body["experiment_name"])
            return {"experiment": _experiment(number, body["experiment_name"])} if number else None
        if call == "experiments/create":
            self.experiments[body["name"]] = str(len(self.experiments) + 1)
            return {"experiment_id": self.experiments[body["name"]]}
        if call == "runs/create":
            tags = {tag["key"]: tag["value"] for tag in body["tags"]}
            made = {"id": f"r{len(self.runs)}", "experiment": body["experiment_id"], "name": body["run_name"]}
            self.runs[made["id"]] = made | {"tags": tags, "params": [], "metrics": [], "status": "RUNNING"}
            return {"run": _run(self.runs[made["id"]])}
        if call == "runs/search":
            wanted = re.fullmatch(r"tags\.`(.+)` = '(.+)'", body["filter"])
            assert wanted is not None
            found = [run for run in self.runs.values() if run["tags"].get(wanted[1]) == wanted[2]]
            return {"runs": [_run(run) for run in found if run["experiment"] in body["experiment_ids"]]}
        if call == "runs/get":
            return {"run": _run(self.runs[body["run_id"]])}
        if call == "runs/log-batch":
            self.runs[body["run_id"]]["params"].extend(body.get("params", []))
            self.runs[body["run_id"]]["metrics"].extend(body.get("metrics", []))
            return {}
        assert call == "runs/update", call
        run = self.runs[body["run_id"]]
        run["status"] = body.get("status", run["status"])
        return {"run_info": _run(run)["info"]}


def _experiment(number: str, name: str) -> dict[str, Any]:
    return {"experiment_id": number, "name": name, "lifecycle_stage": "active", "artifact_location": "mem:/"}


def _run(run: dict[str, Any]) -> dict[str, Any]:
    info = {"run_id": run["id"], "run_uuid": run["id"], "experiment_id": run["experiment"], "status": run["status"]}
    info |= {"run_name": run["name"], "lifecycle_stage": "active", "artifact_uri": "mem:/", "start_time": 1}
    return {"info": info, "data": {"params": run["params"], "metrics": [], "tags": []}}


class _Handler(BaseHTTPRequestHandler):
    server: Mlflow
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        self._answer(query)

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def do_PATCH(self) -> None:
        self.do_POST()

    def _answer(self, body: dict[str, Any]) -> None:
        with self.server.lock:
            self.server.logins.add(self.headers.get("Authorization", ""))
            if self.server.refusing:
                self.server.refused += 1
                return self._send(503, {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "away"})
            answer = self.server.answer(urlsplit(self.path).path.removeprefix(API), body)
        if answer is None:
            return self._send(404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "none"})
        return self._send(200, answer)

    def _send(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def mlflow_server() -> Iterator[Mlflow]:
    server = Mlflow()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield listening.getsockname()[1]


@pytest.fixture
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a tracker sets in this process ends with the test."""
    monkeypatch.setattr(os, "environ", os.environ.copy())


def tracking_run(**tracking: Any) -> RunConfig:
    return run_config("Instruction", "LoRA", lora={"rank": 8, "targetModules": ["q_proj", "v_proj"]}, tracking=tracking)


def write_config(pod: Pod, run: RunConfig) -> None:
    (pod.root / "etc").mkdir(parents=True, exist_ok=True)
    (pod.root / "etc" / "run.json").write_text(json.dumps(run.to_json()), encoding="utf-8")


@contextmanager
def sidecar_process(pod: Pod, **environment: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "banktuner_trainer.tracking"]
    everything = os.environ | pod.environment() | environment
    process = subprocess.Popen(command, env=everything, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with process:
        try:
            yield process
        finally:
            process.kill()


def eventually(holds: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_points_are_read_when_their_line_is_whole_and_again_until_delivered(tmp_path: Path) -> None:
    follower = Follower(tmp_path / METRICS_FILE)
    assert follower.unread() == []
    recorder = Recorder(tmp_path)
    recorder.add(1, {"loss": 2.0})
    with (tmp_path / METRICS_FILE).open("a") as file:
        file.write('{"step": 2, "time": 1.0, ')
    assert [point.step for point in follower.unread()] == [1]
    assert [point.step for point in follower.unread()] == [1]
    follower.delivered()
    assert follower.unread() == []
    with (tmp_path / METRICS_FILE).open("a") as file:
        file.write('"values": {}}\nno JSON\n')
    recorder.add(3, {"loss": 1.0})
    assert [point.step for point in follower.unread()] == [2, 3]


def test_a_step_that_was_measured_twice_is_one_point_of_the_curve(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.add(10, {"loss": 2.0, "learning_rate": 0.1, "tokens_per_second": 50.0}, at=1.0)
    recorder.add(10, {"eval_loss": 3.0}, at=1.0)
    recorder.add(20, {"loss": 9.0}, at=2.0)
    recorder.add(20, {"loss": 1.0}, at=3.0)
    recorder.result([metric("perplexity", 3.5, 9.0)])
    assert [(point.step, point.loss, point.learning_rate) for point in loss_curve(tmp_path)] == [
        (10, 2.0, 0.1),
        (20, 1.0, None),
    ]
    *_, result = read_points(tmp_path)
    assert (result.step, result.values) == (20, {"perplexity": 3.5, "baseline/perplexity": 9.0})


def test_a_full_disk_costs_the_points_only(tmp_path: Path) -> None:
    (tmp_path / "tracking").write_text("a file where the folder should be")
    Recorder(tmp_path / "tracking").add(1, {"loss": 2.0})
    assert (tmp_path / "tracking").is_file()


def test_parameters_are_told_without_places_and_credentials() -> None:
    run = run_config("Instruction", "LoRA", lora={"rank": 8, "targetModules": ["q_proj", "v_proj"]})
    told = tracked(run)
    assert told.name == "bank/job"
    assert told.parameters["lora.targetModules"] == "q_proj,v_proj"
    assert told.parameters["training.learningRate"] == "0.003"
    assert told.parameters["dataset.uri"] == "s3://bank/train.jsonl"
    assert not [name for name in told.parameters if re.search("output|agent|credential|tracking", name)]


def test_mlflow_gets_parameters_once_metrics_by_step_and_the_ending(pod: Pod, mlflow_server: Mlflow) -> None:
    write_config(pod, tracking_run(mlflow={"uri": mlflow_server.uri, "secretRef": {"name": SECRET}}))
    recorder = Recorder(pod.work / "tracking")
    recorder.add(10, {"loss": 2.0, "learning_rate": 0.1}, at=1700000000.5)
    prefix = secret_env_prefix(SECRET)
    login = {f"{prefix}MLFLOW_TRACKING_USERNAME": "clerk", f"{prefix}MLFLOW_TRACKING_PASSWORD": "pa55"}
    with sidecar_process(pod, **login) as process:
        eventually(lambda: bool(mlflow_server.runs) and len(mlflow_server.run()["metrics"]) == 2)
        assert mlflow_server.run()["status"] == "RUNNING"
        recorder.add(20, {"loss": 1.0}, at=1700000001.0)
        recorder.result([metric("perplexity", 3.5)])
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    run = mlflow_server.run()
    assert list(mlflow_server.experiments) == ["banktuner"]
    assert (run["name"], run["tags"]["banktuner.uid"], run["status"]) == ("bank/job", "u-1", "FINISHED")
    assert {"key": "lora.rank", "value": "8"} in run["params"]
    first = {"key": "loss", "value": 2.0, "timestamp": 1700000000500, "step": 10}
    assert first.items() <= next(one for one in run["metrics"] if one["key"] == "loss").items()
    assert [(one["key"], one["step"]) for one in run["metrics"]] == [
        ("loss", 10),
        ("learning_rate", 10),
        ("loss", 20),
        ("perplexity", 20),
    ]
    assert mlflow_server.logins == {"Basic " + base64.b64encode(b"clerk:pa55").decode()}
    assert "pa55" not in output


def test_the_next_attempt_goes_on_in_the_same_run(tmp_path: Path, mlflow_server: Mlflow, own_environment: None) -> None:
    told = tracked(run_config("Instruction", "LoRA"))
    settings = MlflowTracking(uri=mlflow_server.uri, experiment="cards")
    Recorder(tmp_path).add(10, {"loss": 2.0})
    for ending in (False, True):
        run = MlflowRun(settings, told)
        run.start({})
        run.points(Follower(tmp_path / METRICS_FILE).unread())
        run.finish(ending)
    found = mlflow_server.run()
    assert found["status"] == "FINISHED"
    assert len(found["params"]) == len(told.parameters)
    assert len({(one["timestamp"], one["step"]) for one in found["metrics"]}) == 1  # a server keeps one of these


def test_a_tracker_that_comes_back_gets_everything(
    tmp_path: Path, mlflow_server: Mlflow, own_environment: None
) -> None:
    run = tracking_run(mlflow={"uri": mlflow_server.uri})
    mlflow_server.refusing = True
    Recorder(tmp_path / "tracking").add(10, {"loss": 2.0})
    [tracker] = sidecar.trackers(run, tmp_path, {})
    tracker.start()
    eventually(lambda: mlflow_server.refused >= 2)
    mlflow_server.refusing = False
    eventually(lambda: bool(mlflow_server.runs) and len(mlflow_server.run()["metrics"]) == 1)
    Recorder(tmp_path / "tracking").add(20, {"loss": 1.0})
    tracker.stop()
    assert tracker.ended(60)
    assert [one["step"] for one in mlflow_server.run()["metrics"]] == [10, 20]
    assert mlflow_server.run()["status"] == "FAILED"  # no result came


def test_a_pod_that_records_nothing_leaves_the_tracker_alone(tmp_path: Path, mlflow_server: Mlflow) -> None:
    [tracker] = sidecar.trackers(tracking_run(mlflow={"uri": mlflow_server.uri}), tmp_path, {})
    tracker.start()
    tracker.stop()
    assert tracker.ended(60)
    assert not mlflow_server.logins


def test_trackers_that_are_down_or_hang_end_with_the_job(pod: Pod, silent_port: int, tmp_path: Path) -> None:
    away = f"http://127.0.0.1:{silent_port}"
    tracking = {
        "mlflow": {"uri": away},
        "wandb": {"project": "bank", "mode": "Online", "secretRef": {"name": SECRET}},
    }
    write_config(pod, tracking_run(**tracking))
    Recorder(pod.work / "tracking").add(10, {"loss": 2.0})
    prefix = secret_env_prefix(SECRET)
    login = {f"{prefix}WANDB_API_KEY": "k" * 40, f"{prefix}WANDB_BASE_URL": away}
    seen = ""
    with sidecar_process(pod, HOME=str(tmp_path), **login) as process:
        assert process.stdout is not None
        while "mlflow: " not in seen:
            line = process.stdout.readline()
            assert line, seen
            seen += line
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "mlflow: did not take everything in time" in rest
    assert "wandb: did not take everything in time" in rest
    assert "k" * 40 not in seen + rest


def test_credentials_are_found_by_the_secrets_prefix() -> None:
    prefix = secret_env_prefix("login")
    environment = {f"{prefix}WANDB_API_KEY": "a", f"{secret_env_prefix('other')}WANDB_API_KEY": "b"}
    assert sidecar.credentials(SecretRef(name="login"), ("WANDB_API_KEY", "X"), environment) == {"WANDB_API_KEY": "a"}
    assert sidecar.credentials(None, ("WANDB_API_KEY",), environment) == {}


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report folder that a process of its own wrote."""
    pod = Pod(tmp_path_factory.mktemp("reports"))
    run = tracking_run(tensorboard=True, wandb={"project": "bank"})
    write_config(pod, run)
    recorder = Recorder(pod.work / "tracking")
    recorder.add(10, {"loss": 2.0, "learning_rate": 0.1}, at=1700000000.5)
    recorder.add(20, {"loss": 1.0, "learning_rate": 0.05}, at=1700000009.5)
    recorder.result([metric("perplexity", 3.5, 9.0)])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in pod.environment().items():
            patch.setenv(name, value)
        reports.write_reports(run, paths_from(pod.environment()))
    return pod.output / "report"


def test_reports_are_files_that_an_artifact_may_have(reported: Path) -> None:
    files = [path for path in reported.rglob("*") if path.is_file()]
    assert sorted(path.suffix for path in files) == [".tfevents", ".wandb"]
    assert {path.suffix for path in files} <= ALLOWED_SUFFIXES
    assert all(re.match(FILE_PATH, path.relative_to(reported).as_posix()) for path in files)


def test_tensorboard_reads_the_events(reported: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(reported / "tensorboard"))
    events.Reload()
    losses = events.Scalars("train/loss")
    assert [(one.step, one.value, one.wall_time) for one in losses] == [
        (10, 2.0, 1700000000.5),
        (20, 1.0, 1700000009.5),
    ]
    assert [one.value for one in events.Scalars("result/perplexity")] == [3.5]
    assert [one.value for one in events.Scalars("result/baseline/perplexity")] == [9.0]


def test_nothing_is_written_where_nothing_is_asked_for(pod: Pod) -> None:
    run = tracking_run(tensorboard=False)
    write_config(pod, run)
    Recorder(pod.work / "tracking").add(10, {"loss": 2.0})
    reports.write_reports(run, paths_from(pod.environment()))
    assert not pod.output.exists()


def test_a_report_that_breaks_leaves_the_others_and_the_run(pod: Pod) -> None:
    run = tracking_run(tensorboard=True, wandb={"project": "bank"})
    Recorder(pod.work / "tracking").add(10, {"loss": 2.0})
    (pod.output / "report").mkdir(parents=True)
    (pod.output / "report" / "wandb").write_text("a file where the folder should be")
    write_config(pod, run)
    reports.write_reports(run, paths_from(pod.environment()))
    assert list((pod.output / "report" / "tensorboard").glob("*.tfevents"))

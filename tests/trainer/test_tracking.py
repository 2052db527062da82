"""Numbers of a run on their way to TensorBoard, MLflow and W&B, and what happens when a tracker is away."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mlflow")

from banktuner_api.common import SecretRef
from banktuner_api.finetunejob_spec import MlflowTracking
from banktuner_api.manifest import ALLOWED_SUFFIXES, FILE_PATH
from banktuner_api.names import secret_env_prefix
from banktuner_api.run_config import RunConfig
from banktuner_trainer.reporting import metric
from banktuner_trainer.settings import paths_from
from banktuner_trainer.tracking import mlflow_run, reports, sidecar
from banktuner_trainer.tracking.mlflow_run import MlflowRun
from banktuner_trainer.tracking.record import METRICS_FILE, Follower, Recorder, loss_curve, read_points
from banktuner_trainer.tracking.run import tracked
from tests.trainer.harness import Pod, run_config
from tests.trainer.mlflow_server import CLERK, LOGIN, MlflowServer

SECRET = "mlflow-login"
MOUNTED = {secret_env_prefix(SECRET) + name: value for name, value in LOGIN.items()}
"""The login as the pod's environment has it."""


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    server = MlflowServer(tmp_path_factory.mktemp("mlflow"))
    server.start()
    server.ask("POST", "users/create", username=CLERK[0], password=CLERK[1])
    yield server
    server.stop()


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


def read_until(process: subprocess.Popen[str], told: str) -> str:
    """What it printed up to the line that tells it."""
    assert process.stdout is not None
    seen = ""
    while told not in seen:
        line = process.stdout.readline()
        assert line, seen
        seen += line
    return seen


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


def test_mlflow_gets_parameters_once_metrics_by_step_and_the_ending(pod: Pod, mlflow_server: MlflowServer) -> None:
    write_config(pod, tracking_run(mlflow={"uri": mlflow_server.uri, "secretRef": {"name": SECRET}}))
    recorder = Recorder(pod.work / "tracking")
    recorder.add(10, {"loss": 2.0, "learning_rate": 0.1}, at=1700000000.5)
    with sidecar_process(pod, **MOUNTED) as process:
        eventually(lambda: [run for run in mlflow_server.runs("banktuner") if run["data"].get("metrics")])
        [run] = mlflow_server.runs("banktuner")
        assert run["info"]["status"] == "RUNNING"
        recorder.add(20, {"loss": 1.0}, at=1700000001.0)
        recorder.result([metric("perplexity", 3.5)])
        eventually(lambda: "perplexity" in mlflow_server.measured("banktuner"))  # and with it what came before
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    [run] = mlflow_server.runs("banktuner")
    assert (run["info"]["run_name"], run["info"]["status"]) == ("bank/job", "FINISHED")
    assert {"key": "banktuner.uid", "value": "u-1"} in run["data"]["tags"]
    assert {"key": "lora.rank", "value": "8"} in run["data"]["params"]
    first, second = mlflow_server.history(run, "loss")
    assert {"key": "loss", "value": 2.0, "timestamp": 1700000000500, "step": 10}.items() <= first.items()
    assert (second["value"], second["step"]) == (1.0, 20)
    assert [point["step"] for point in mlflow_server.history(run, "learning_rate")] == [10]
    assert [point["value"] for point in mlflow_server.history(run, "perplexity")] == [3.5]
    assert CLERK[1] not in output


def test_the_next_attempt_goes_on_in_the_same_run(
    tmp_path: Path, mlflow_server: MlflowServer, own_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # nobody repeats what fails here, as the sidecar does
    monkeypatch.setitem(mlflow_run._ONE_SHORT_TRY, "MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
    told = tracked(run_config("Instruction", "LoRA"))
    settings = MlflowTracking(uri=mlflow_server.uri, experiment="cards")
    Recorder(tmp_path).add(10, {"loss": 2.0})
    for ending in (False, True):
        run = MlflowRun(settings, told)
        run.start(LOGIN)
        run.points(Follower(tmp_path / METRICS_FILE).unread())
        run.finish(ending)
    [found] = mlflow_server.runs("cards")
    assert found["info"]["status"] == "FINISHED"
    assert len(found["data"]["params"]) == len(told.parameters)
    assert len(mlflow_server.history(found, "loss")) == 1


def test_a_tracker_that_comes_back_gets_everything(
    tmp_path: Path, mlflow_server: MlflowServer, own_environment: None, caplog: pytest.LogCaptureFixture
) -> None:
    run = tracking_run(mlflow={"uri": mlflow_server.uri, "experiment": "loans", "secretRef": {"name": SECRET}})
    mlflow_server.stop()
    Recorder(tmp_path / "tracking").add(10, {"loss": 2.0})
    [tracker] = sidecar.trackers(run, tmp_path, MOUNTED)
    tracker.start()
    eventually(lambda: caplog.text.count("trying again") >= 2)
    mlflow_server.start()
    eventually(lambda: [run for run in mlflow_server.runs("loans") if run["data"].get("metrics")])
    Recorder(tmp_path / "tracking").add(20, {"loss": 1.0})
    tracker.stop()
    assert tracker.ended(60)
    [found] = mlflow_server.runs("loans")
    assert [point["step"] for point in mlflow_server.history(found, "loss")] == [10, 20]
    assert found["info"]["status"] == "FAILED"  # no result came


def test_a_login_that_is_refused_is_told_without_it(pod: Pod, mlflow_server: MlflowServer) -> None:
    write_config(pod, tracking_run(mlflow={"uri": mlflow_server.uri, "secretRef": {"name": SECRET}}))
    Recorder(pod.work / "tracking").add(10, {"loss": 2.0})
    wrong = MOUNTED | {f"{secret_env_prefix(SECRET)}MLFLOW_TRACKING_PASSWORD": "no-longer-valid"}
    with sidecar_process(pod, **wrong) as process:
        seen = read_until(process, "trying again")
    assert "401" in seen and "no-longer-valid" not in seen


def test_a_pod_that_records_nothing_leaves_the_tracker_alone(tmp_path: Path, mlflow_server: MlflowServer) -> None:
    asked = tracking_run(mlflow={"uri": mlflow_server.uri, "experiment": "idle", "secretRef": {"name": SECRET}})
    [tracker] = sidecar.trackers(asked, tmp_path, MOUNTED)
    tracker.start()
    tracker.stop()
    assert tracker.ended(60)
    assert mlflow_server.runs("idle") == []


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
    with sidecar_process(pod, HOME=str(tmp_path), **login) as process:
        seen = read_until(process, "mlflow: ")
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

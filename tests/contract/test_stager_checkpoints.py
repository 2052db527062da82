"""Checkpoints against a real S3 server: stored during training, found by the next attempt, gone after the commit."""

import json
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from banktuner_api import handshake
from banktuner_api.checkpoint import CHECKPOINT_FILE, run_fingerprint
from banktuner_api.finetunejob_spec import Checkpoint
from banktuner_api.finetunejob_status import CheckpointStatus
from banktuner_api.handshake import CheckpointSaved, Failure, Staged, write_control
from banktuner_api.run_config import JobIdentity, RunConfig
from banktuner_trainer.checkpoint import folders
from tests.contract.agent_server import AgentServer
from tests.contract.harness import BUCKET, Pod, S3Server, wait_for
from tests.contract.test_stager_jobs import ARTIFACT, MODEL, OUTPUT, PREFIX, TRAIN, committed, leave_artifact, uri
from tests.contract.test_stager_jobs import run_config as plain_config

PLACE = "adapters/bank/job/uid/checkpoints"
MARKER = CHECKPOINT_FILE
OTHER_DATA = b"text,label\nhello again,greeting\n"


@pytest.fixture
def job(s3: S3Server, pods: Any):
    """Makes the pod of an attempt, staged."""
    s3.upload("models/base", MODEL)
    s3.upload("data", {"train.csv": TRAIN})

    def make(attempt: int = 1, agent: AgentServer | None = None, keep_last: int = 2, **changes: Any) -> Pod:
        pod = pods(f"attempt-{attempt}-{len(changes)}", s3.secret(PREFIX))
        identity = JobIdentity(namespace="bank", name="job", uid="uid", attempt=attempt)
        place = {"checkpoints": uri(PLACE), "checkpoint": Checkpoint(keep_last=keep_last), "job": identity}
        config = plain_config(agent.url if agent else "https://127.0.0.1:1", **place, **changes)
        (pod.config / "run.json").write_text(json.dumps(config.to_json()))
        if agent:
            agent.mount(pod)
        assert pod.run("stage") == 0, pod.log.read_text()
        return pod

    return make


def staged(pod: Pod) -> Staged:
    return Staged.model_validate_json((pod.control / "staged.json").read_bytes())


def weights(step: int) -> bytes:
    return random.Random(step).randbytes(300_000)


def save(pod: Pod, step: int, content: bytes | None = None) -> Path:
    """What the trainer does, by its own code."""

    def fill(folder: Path) -> None:
        (folder / "trained.safetensors").write_bytes(weights(step) if content is None else content)
        (folder / "loop.json").write_text("{}")

    config = RunConfig.model_validate_json((pod.config / "run.json").read_bytes())
    made = folders.write(pod.work / "checkpoints", step, run_fingerprint(config, staged(pod)), fill)
    folders.tidy(pod.work / "checkpoints", config.checkpoint.keep_last)
    write_control(pod.control, handshake.CHECKPOINT, CheckpointSaved(step=step, folder=f"checkpoints/step-{step}"))
    return made.folder


def stored(pod: Pod, step: int, seconds: float = 30) -> CheckpointStatus:
    """Waits for the sidecar's answer."""
    place = pod.control / handshake.CHECKPOINT_STORED

    def answer() -> CheckpointStatus | None:
        told = CheckpointStatus.model_validate_json(place.read_bytes()) if place.exists() else None
        return told if told and told.step == step else None

    return wait_for(answer, seconds, f"step {step} stored ({pod.log.read_text()[-2000:]})")


def steps(s3: S3Server) -> list[str]:
    """Folders with a marker."""
    return sorted(key.split("/")[-2] for key in s3.keys(PLACE) if key.endswith(MARKER))


def resumed(pod: Pod) -> int | None:
    """The step that an attempt goes on from; the trainer's own look at the staged folder agrees."""
    told, config = staged(pod), RunConfig.model_validate_json((pod.config / "run.json").read_bytes())
    found = folders.newest([pod.work / "resume"], run_fingerprint(config, told))
    assert (found.step if found else None) == (told.checkpoint.step if told.checkpoint else None)
    if found is None:
        return None
    assert (found.folder / "trained.safetensors").read_bytes() == weights(found.step)
    return found.step


def test_the_next_attempt_has_the_newest_checkpoint(job, s3: S3Server, agent: AgentServer) -> None:
    first = job(1, agent)
    assert staged(first).checkpoint is None and resumed(first) is None
    publisher = first.start("publish")
    for step in (4, 8, 12):
        save(first, step)
        told = stored(first, step)
    assert told.uri == f"s3://{BUCKET}/{PLACE}/step-12"
    wait_for(lambda: steps(s3) == ["step-12", "step-8"], 10, "the older ones are deleted")
    wait_for(lambda: any(one.checkpoint and one.checkpoint.step == 12 for one in agent.reports), 10, "the report")
    report = next(one for one in agent.reports if one.checkpoint and one.checkpoint.step == 12)
    assert report.checkpoint.uri == told.uri and report.checkpoint.saved_time == told.saved_time
    assert report.attempt is None and report.phase is None, "what the pod does is told by the trainer"
    publisher.kill()
    second = job(2)
    assert staged(second).checkpoint == told and resumed(second) == 12
    second.start("publish")
    save(second, 14)
    stored(second, 14)
    wait_for(lambda: steps(s3) == ["step-12", "step-14"], 10, "the one that it went on from is kept")


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone", "no marker", "broken marker", "of other data", "none"])
def test_only_a_complete_checkpoint_of_this_run_is_taken(job, s3: S3Server, damage: str) -> None:
    pod = job(1)
    pod.start("publish")
    for step in (4, 8):
        save(pod, step)
        stored(pod, step)
    folder = f"{PLACE}/step-8"
    content = weights(8)
    if damage == "flipped":
        s3.upload(folder, {"trained.safetensors": content[:-1] + bytes([content[-1] ^ 1])})
    elif damage == "cut":
        s3.upload(folder, {"trained.safetensors": content[:-7]})
    elif damage == "gone":
        s3.client().delete(f"{folder}/trained.safetensors")
    elif damage == "no marker":
        s3.client().delete(f"{folder}/{MARKER}")
    elif damage == "broken marker":
        s3.upload(folder, {MARKER: s3.read(f"{folder}/{MARKER}")[:-9]})
    elif damage == "of other data":
        s3.upload("data", {"train.csv": OTHER_DATA})
    expected = {"none": 8, "of other data": None}.get(damage, 4)
    assert resumed(job(2)) == expected


def test_changed_settings_start_anew_and_another_attempt_does_not(job) -> None:
    pod = job(1)
    pod.start("publish")
    save(pod, 4)
    stored(pod, 4)
    training = plain_config().training.model_copy(update={"learning_rate": 0.5})
    assert resumed(job(2, training=training)) is None
    assert resumed(job(3)) == 4


def test_a_store_that_is_down_delays_no_training_and_the_newest_is_stored_later(job, s3: S3Server) -> None:
    pod = job(1)
    save(pod, 2)
    s3.kill()
    publisher = pod.start("publish")
    failure = pod.control / handshake.CHECKPOINT_FAILURE
    wait_for(failure.exists, 60, "the word for the trainer")
    publisher.send_signal(signal.SIGSTOP)
    told = Failure.model_validate_json(failure.read_bytes())
    assert told.reason == "CheckpointNotStored" and "step 2" in told.message and told.field == "spec.output.uri"
    for step in (4, 6, 8):
        save(pod, step)
    s3.start()
    publisher.send_signal(signal.SIGCONT)
    stored(pod, 8, 60)
    wait_for(lambda: not failure.exists(), 5, "the word is taken back")
    assert steps(s3) == ["step-8"], "the older ones are skipped"
    assert not (pod.control / "publish_failure.json").exists()


def test_server_killed_in_the_middle_of_a_checkpoint(job, s3: S3Server) -> None:
    pod = job(1)
    pod.start("publish")
    save(pod, 4)
    stored(pod, 4)
    second = s3.block(f"{PLACE}/step-8/trained.safetensors")
    save(pod, 8, random.Random(8).randbytes(150_000_000))
    wait_for(lambda: f"{PLACE}/step-8/loop.json" in s3.keys(PLACE), 60, "the first file")
    s3.kill()
    failure = pod.control / handshake.CHECKPOINT_FAILURE
    wait_for(lambda: failure.exists() and "(no answer)" in failure.read_text(), 60, "the failure")
    shutil.rmtree(second)
    s3.start()
    assert "step-4" in steps(s3)
    stored(pod, 8, 90)
    assert steps(s3) == ["step-4", "step-8"]


@pytest.mark.parametrize("seed", range(4))
def test_publisher_killed_at_any_moment_leaves_a_good_checkpoint(job, s3: S3Server, seed: int) -> None:
    pod = job(1)
    publisher = pod.start("publish")
    save(pod, 4)
    stored(pod, 4)
    save(pod, 8)
    time.sleep(random.Random(seed).uniform(0, 1.0))
    publisher.kill()
    publisher.wait()
    assert resumed(job(2)) in (4, 8)


def test_a_sidecar_told_to_stop_first_stores_what_is_saved(job, s3: S3Server) -> None:
    pod = job(1)
    publisher = pod.start("publish")
    save(pod, 3)
    stored(pod, 3)
    save(pod, 4)
    publisher.send_signal(signal.SIGTERM)
    assert publisher.wait(30) == 0
    assert resumed(job(2)) == 4


@pytest.mark.parametrize("seed", range(3))
def test_two_pods_of_one_attempt_never_mix_their_checkpoints(job, s3: S3Server, pods: Any, seed: int) -> None:
    first, contents = job(1), [random.Random(number).randbytes(40_000_000) for number in range(2)]
    second = pods("twin", s3.secret(PREFIX))
    (second.config / "run.json").write_bytes((first.config / "run.json").read_bytes())
    assert second.run("stage") == 0
    for pod, content in zip((first, second), contents, strict=True):
        save(pod, 4, content)
        pod.start("publish")
        time.sleep(random.Random(seed).uniform(0, 0.5))
    for pod in (first, second):
        stored(pod, 4, 60)
    third = job(2)
    brought = third.work / "resume" / "trained.safetensors"
    assert (staged(third).checkpoint is not None) == brought.exists()
    assert not brought.exists() or brought.read_bytes() in contents


def test_the_artifact_goes_first_and_takes_the_checkpoints_away(job, s3: S3Server) -> None:
    pod = job(1)
    save(pod, 4)
    pod.start("publish")
    stored(pod, 4)
    save(pod, 8)
    leave_artifact(pod, ARTIFACT)
    committed(pod)
    assert s3.keys(PLACE) == []
    assert f"{OUTPUT}/COMMITTED" in s3.keys(OUTPUT)


def test_checkpoints_left_behind_by_a_committed_attempt_are_deleted(job, s3: S3Server) -> None:
    pod = job(1)
    pod.start("publish")
    leave_artifact(pod, ARTIFACT)
    committed(pod)
    s3.upload(f"{PLACE}/step-4", {MARKER: b"{}"})
    again = job(1)
    again.start("publish")
    wait_for(lambda: s3.keys(PLACE) == [], 10, "nothing is left")


@pytest.mark.parametrize("kind", ["elsewhere", "link"])
def test_only_files_of_checkpoints_leave_the_pod(job, s3: S3Server, kind: str) -> None:
    pod = job(1)
    folder = save(pod, 4)
    if kind == "elsewhere":
        write_control(pod.control, handshake.CHECKPOINT, CheckpointSaved(step=4, folder="checkpoints/../../../etc"))
    else:
        (folder / "trained.safetensors").unlink()
        (folder / "trained.safetensors").symlink_to("/etc/passwd")
    pod.start("publish")
    wait_for((pod.control / handshake.CHECKPOINT_FAILURE).exists, 20, "the refusal")
    assert s3.keys(PLACE) == []

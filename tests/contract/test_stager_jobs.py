"""stage and publish as processes against a real S3 server."""

import json
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from banktuner_api.agent import AgentClient, Report
from banktuner_api.exit_codes import ExitCode
from banktuner_api.finetunejob_data import Format
from banktuner_api.finetunejob_methods import Method
from banktuner_api.finetunejob_spec import Task
from banktuner_api.finetunejob_status import Phase, ServedAs
from banktuner_api.handshake import ArtifactRequest, Result, Staged, write_control
from banktuner_api.manifest import (
    CommitMarker,
    Manifest,
    ManifestFile,
    manifest_bytes,
    sha256_digest,
    tree_digest,
)
from banktuner_api.run_config import DatasetInput, JobIdentity, ObjectRef, RunConfig, TrainingConfig
from banktuner_stager import reporting
from banktuner_stager.artifact import build_manifest
from banktuner_stager.errors import StagerError
from banktuner_stager.keeping import CheckpointKeeper
from banktuner_stager.paths import Paths
from banktuner_stager.publish import Publisher
from banktuner_stager.reporting import Progress
from banktuner_stager.stage import stage
from tests.contract.agent_server import AgentServer
from tests.contract.harness import BUCKET, REPOSITORY, Pod, S3Server, wait_for

PREFIX = "BT_TEST_"
MODEL = {"config.json": b'{"model_type": "llama"}', "model.safetensors": b"weights" * 1000, "README.md": b"hello"}
TRAIN = b"text,label\nhello,greeting\n"
OUTPUT = "adapters/bank/job/uid/1"
TRAINING = TrainingConfig(
    batch_size=1,
    gradient_accumulation_steps=1,
    learning_rate=0.001,
    scheduler="Linear",
    warmup_steps=0,
    max_length=64,
    packing=False,
    gradient_checkpointing=False,
    precision="Auto",
    seed=1,
)


def uri(key: str, bucket: str = BUCKET) -> ObjectRef:
    return ObjectRef(uri=f"s3://{bucket}/{key}", credentials=PREFIX)


def run_config(agent_url: str = "https://127.0.0.1:1", **changes) -> RunConfig:
    values = {
        "job": JobIdentity(namespace="bank", name="job", uid="uid", attempt=1),
        "task": Task.CLASSIFICATION,
        "method": Method.LORA,
        "model": uri("models/base"),
        "dataset": DatasetInput(train=uri("data/train.csv"), format=Format.TEXT_LABEL),
        "training": TRAINING,
        "output": uri(OUTPUT),
        "agent_url": agent_url,
    }
    return RunConfig(**{**values, **changes})


@pytest.fixture
def job(s3: S3Server, pods):
    """Makes the pod of a job; the usual model and data are in the object store."""
    s3.upload("models/base", MODEL)
    s3.upload("data", {"train.csv": TRAIN, "test.jsonl": b"{}\n", "empty.csv": b"", "words.doc": b"x"})

    def make(name: str = "pod", secret: dict[str, str] | None = None, **changes) -> Pod:
        pod = pods(name, s3.secret(PREFIX) if secret is None else secret)
        (pod.config / "run.json").write_text(json.dumps(run_config(**changes).to_json()))
        return pod

    return make


def failure(pod: Pod) -> dict[str, str]:
    return json.loads(pod.termination_log.read_text())


def leave_artifact(pod: Pod, files: dict[str, bytes]) -> ArtifactRequest:
    """What the trainer does at its end."""
    for path, content in files.items():
        place = pod.work / "output" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    request = ArtifactRequest(
        task=Task.CLASSIFICATION,
        method=Method.LORA,
        rank=8,
        served_as=ServedAs.CLASSIFIER,
        metrics=[{"name": "intent_accuracy", "value": "0.9"}],
        trainer_version="1",
    )
    write_control(pod.control, "artifact.json", request)
    return request


ARTIFACT = {"adapter_model.safetensors": b"a" * 20_000_000, "adapter_config.json": b"{}", "sub/notes.txt": b""}


def committed(pod: Pod, seconds: float = 30) -> Result:
    place = pod.control / "committed.json"
    wait_for(place.exists, seconds, f"committed.json ({pod.log.read_text()[-2000:]})")
    return Result.model_validate_json(place.read_bytes())


def test_stage_brings_model_and_data(job, s3: S3Server) -> None:
    pod = job(dataset=DatasetInput(train=uri("data/train.csv"), test=uri("data/test.jsonl"), format=Format.TEXT_LABEL))
    assert pod.run("stage") == 0, pod.log.read_text()
    staged = Staged.model_validate_json((pod.control / "staged.json").read_bytes())
    assert Path(staged.train.path).read_bytes() == TRAIN
    assert staged.train.path.endswith("/data/train.csv") and staged.test.path.endswith("/data/test.jsonl")
    assert staged.train.size_bytes == len(TRAIN)
    assert f"sha256:{staged.train.sha256}" == sha256_digest(TRAIN)
    names = ("config.json", "model.safetensors")
    assert sorted(path.name for path in (pod.work / "model").iterdir()) == sorted(names)
    digests = [(name, sha256_digest(MODEL[name]).removeprefix("sha256:")) for name in names]
    assert staged.model_digest == tree_digest(digests)
    assert pod.run("stage") == 0, "a second run starts from scratch and ends the same"


@pytest.mark.parametrize(
    ("files", "code", "reason", "words"),
    [
        ({"pytorch_model.bin": b"x"}, ExitCode.UNSAFE_FILE, "UnsafeModelFile", "pytorch_model.bin"),
        ({"sub/optimizer.PKL": b"x"}, ExitCode.UNSAFE_FILE, "UnsafeModelFile", "sub/optimizer.PKL"),
        ({"config.json": b'{"auto_map": {"AutoModel": "m.M"}}'}, ExitCode.UNSAFE_FILE, "UnsafeModelFile", "auto_map"),
        ({"config.json": b"not json"}, ExitCode.INVALID_MODEL, "InvalidModel", "not a JSON object"),
        ({"config.json": None}, ExitCode.INVALID_MODEL, "InvalidModel", "no config.json"),
        ({"config.json": None, "adapter_config.json": b"{}"}, ExitCode.INVALID_MODEL, "InvalidModel", "adapter"),
        ({"model.safetensors": None}, ExitCode.INVALID_MODEL, "InvalidModel", "no .safetensors"),
    ],
)
def test_stage_refuses_a_model_folder(job, s3: S3Server, files, code: int, reason: str, words: str) -> None:
    folder = {name: content for name, content in {**MODEL, **files}.items() if content is not None}
    s3.upload("models/other", folder)
    pod = job(model=uri("models/other"))
    assert pod.run("stage") == code
    told = failure(pod)
    assert told["reason"] == reason and told["field"] == "spec.model.uri" and words in told["message"]
    assert not list((pod.work / "model").glob("*.safetensors")), "nothing is downloaded before the folder is safe"
    assert not (pod.control / "staged.json").exists()


@pytest.mark.parametrize(
    ("changes", "code", "field", "words"),
    [
        ({"model": uri("models/none")}, ExitCode.OBJECT_NOT_FOUND, "spec.model.uri", "models/none"),
        ({"model": uri("x", "nobucket")}, ExitCode.OBJECT_NOT_FOUND, "spec.model.uri", "bucket"),
        ({"train": uri("data/none.csv")}, ExitCode.OBJECT_NOT_FOUND, "spec.dataset.uri", "data/none.csv"),
        ({"train": uri("data/empty.csv")}, ExitCode.INVALID_DATA, "spec.dataset.uri", "empty"),
        ({"train": uri("data/words.doc")}, ExitCode.INVALID_DATA, "spec.dataset.uri", ".jsonl"),
        ({"test": uri("data/none.csv")}, ExitCode.OBJECT_NOT_FOUND, "spec.dataset.testUri", "data/none.csv"),
        ({"output": uri("a/b", "nobucket")}, ExitCode.OBJECT_NOT_FOUND, "spec.output.uri", "bucket"),
    ],
)
def test_stage_names_the_field(job, changes, code: int, field: str, words: str) -> None:
    data = {"train": uri("data/train.csv"), "format": Format.TEXT_LABEL}
    data |= {key: changes.pop(key) for key in ("train", "test") if key in changes}
    pod = job(dataset=DatasetInput(**data), **changes)
    assert pod.run("stage") == code
    told = failure(pod)
    assert told["field"] == field and words in told["message"], told


@pytest.mark.parametrize(
    ("change", "code", "field", "words"),
    [
        ({"AWS_ACCESS_KEY_ID": "wrong"}, ExitCode.ACCESS_DENIED, "spec.output.uri", "denied"),
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, ExitCode.ACCESS_DENIED, "spec.output.uri", "denied"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, ExitCode.INVALID_CONFIG, "spec.output.secretRef", "AWS_SECRET_ACCESS_KEY"),
        ({"AWS_ENDPOINT_URL": "s3.bank"}, ExitCode.INVALID_CONFIG, "spec.output.secretRef", "AWS_ENDPOINT_URL"),
    ],
)
def test_bad_credentials(job, s3: S3Server, change, code: int, field: str, words: str) -> None:
    pod = job(secret=s3.secret(PREFIX, **change))
    assert pod.run("stage") == code
    told = failure(pod)
    assert told["field"] == field and words in told["message"]
    assert "banktuner-test" not in told["message"] + pod.log.read_text(), "no credential is told"


def publish_base(s3: S3Server, flip: str | None = None, listed: dict[str, bytes] = MODEL) -> str:
    """A committed model folder at models/pinned; the digest of its manifest."""
    files = [
        {"path": name, "sha256": sha256_digest(content).removeprefix("sha256:"), "sizeBytes": len(content)}
        for name, content in listed.items()
        if not name.endswith(".md")
    ]
    manifest = {
        "job": {"namespace": "bank", "name": "base", "uid": "u", "attempt": 1},
        "task": "Pretraining",
        "method": "Full",
        "servedAs": "Merged",
        "modelDigest": f"sha256:{'0' * 64}",
        "datasetDigest": f"sha256:{'0' * 64}",
        "trainerVersion": "1",
        "createdTime": "2026-01-01T00:00:00Z",
        "files": files,
    }
    content = json.dumps(manifest).encode()
    stored = {**listed, "manifest.json": content}
    if flip:
        stored[flip] = bytes([stored[flip][0] ^ 1]) + stored[flip][1:]
    s3.upload("models/pinned", stored)
    return sha256_digest(content)


@pytest.mark.parametrize(("flip", "code"), [(None, 0), ("model.safetensors", 69), ("manifest.json", 69)])
def test_a_pinned_model_is_verified(job, s3: S3Server, flip: str | None, code: int) -> None:
    digest = publish_base(s3, flip)
    pod = job(model=ObjectRef(uri=f"s3://{BUCKET}/models/pinned", credentials=PREFIX, digest=digest))
    assert pod.run("stage") == code, pod.log.read_text()
    if flip:
        told = failure(pod)
        assert told["reason"] == "DigestMismatch" and flip in told["message"]
        assert told["field"] == "spec.model.fineTuneJob"
    else:
        assert (pod.work / "model" / "model.safetensors").read_bytes() == MODEL["model.safetensors"]


def test_publish_commits_and_the_next_run_adopts(job, s3: S3Server) -> None:
    pod = job()
    assert pod.run("stage") == 0
    publisher = pod.start("publish")
    leave_artifact(pod, ARTIFACT)
    result = committed(pod)
    stored = s3.read(f"{OUTPUT}/manifest.json")
    assert result.artifact.digest == sha256_digest(stored)
    assert CommitMarker.model_validate_json(s3.read(f"{OUTPUT}/COMMITTED")).digest == result.artifact.digest
    assert result.artifact.uri == f"s3://{BUCKET}/{OUTPUT}"
    assert result.artifact.size_bytes == sum(map(len, ARTIFACT.values()))
    manifest = Manifest.model_validate_json(stored)
    staged = Staged.model_validate_json((pod.control / "staged.json").read_bytes())
    assert manifest.base_model_digest == staged.model_digest
    for file in manifest.files:
        content = s3.read(f"{OUTPUT}/{file.path}")
        assert content == ARTIFACT[file.path] and sha256_digest(content) == f"sha256:{file.sha256}"
    publisher.send_signal(signal.SIGTERM)
    assert publisher.wait(30) == 0

    again = job("again")
    assert again.run("stage") == 0
    assert committed(again) == result
    assert not (again.work / "model").exists(), "a committed attempt is not staged again"


def holds_signals(process: int) -> bool:
    """Whether SIGTERM and SIGINT are held in a thread; not so in the one that waits for them just now."""
    threads = Path(f"/proc/{process}/task").glob("*/status")
    return any(f"SigBlk:\t{1 << 14 | 1 << 1:016x}" in thread.read_text() for thread in threads)


def test_publish_ends_promptly_without_an_artifact(job) -> None:
    pod = job()
    publisher = pod.start("publish")
    with pytest.raises(subprocess.TimeoutExpired):
        publisher.wait(1.5)
    wait_for(lambda: holds_signals(publisher.pid), 60, "Python's own start")
    publisher.send_signal(signal.SIGTERM)
    assert publisher.wait(30) == 0


WHILE_MODULES_ARE_READ = """
import os, signal, sys

class Early:
    def find_spec(self, name, path, target=None):
        if name == "banktuner_stager.commands":
            os.kill(os.getpid(), signal.SIGTERM)

sys.meta_path.insert(0, Early())
"""


@pytest.mark.parametrize(("command", "code"), [("publish", ExitCode.OK), ("stage", ExitCode.INTERRUPTED)])
def test_told_to_stop_before_the_modules_are_read(job, s3: S3Server, tmp_path: Path, command: str, code: int) -> None:
    (tmp_path / "sitecustomize.py").write_text(WHILE_MODULES_ARE_READ)
    pod = job(secret=s3.secret(PREFIX) | {"PYTHONPATH": f"{tmp_path}:{REPOSITORY / 'operator'}"})
    s3.kill()
    assert pod.start(command).wait(60) == code, pod.log.read_text()


def test_two_publishers_of_one_attempt_commit_once(job, s3: S3Server) -> None:
    first, second = job("first"), job("second")
    for pod in (first, second):
        assert pod.run("stage") == 0
        leave_artifact(pod, ARTIFACT)
    for pod in (first, second):
        pod.start("publish")
    assert committed(first) == committed(second)
    digest = committed(first).artifact.digest
    assert sha256_digest(s3.read(f"{OUTPUT}/manifest.json")) == digest


def test_other_content_of_the_same_attempt_does_not_mix(job, s3: S3Server) -> None:
    first, second = job("first"), job("second")
    for pod, content in ((first, b"1" * 9_000_000), (second, b"2" * 9_000_000)):
        assert pod.run("stage") == 0
        leave_artifact(pod, {"adapter_model.safetensors": content})
    for pod in (first, second):
        pod.start("publish")
    result = committed(first)
    assert committed(second) == result
    manifest = Manifest.model_validate_json(s3.read(f"{OUTPUT}/manifest.json"))
    stored = s3.read(f"{OUTPUT}/adapter_model.safetensors")
    assert sha256_digest(stored) == f"sha256:{manifest.files[0].sha256}"


def test_publish_waits_for_a_dead_object_store_and_says_so(job, s3: S3Server, agent: AgentServer) -> None:
    pod = job(agent_url=agent.url)
    agent.mount(pod)
    assert pod.run("stage") == 0
    s3.kill()
    pod.start("publish")
    leave_artifact(pod, ARTIFACT)
    report = wait_for(lambda: agent.report("ObjectStoreUnavailable"), 60, "the report")
    assert isinstance(report, Report) and report.phase == "Publishing" and report.attempt == 1
    assert "spec.output.uri" in report.message and "kept in the pod" in report.message
    assert not (pod.control / "publish_failure.json").exists()
    s3.start()
    assert committed(pod, 40).artifact.size_bytes == sum(map(len, ARTIFACT.values()))
    wait_for(lambda: agent.reports[-1].reason == "" and "committed" in agent.reports[-1].message, 10, "the last report")


def test_server_killed_in_the_middle_of_the_upload(job, s3: S3Server) -> None:
    pod = job()
    assert pod.run("stage") == 0
    files = {f"part{number}.safetensors": bytes([number]) * 30_000_000 for number in range(6)}
    leave_artifact(pod, files)
    third = s3.block(f"{OUTPUT}/part2.safetensors")
    pod.start("publish")
    wait_for(lambda: f"{OUTPUT}/part1.safetensors" in s3.keys(OUTPUT), 60, "the second file")
    s3.kill()
    wait_for(lambda: "(no answer)" in pod.log.read_text(), 60, "the wait")
    assert not (pod.control / "committed.json").exists()
    shutil.rmtree(third)
    s3.start()
    committed(pod, 60)
    for file in Manifest.model_validate_json(s3.read(f"{OUTPUT}/manifest.json")).files:
        assert sha256_digest(s3.read(f"{OUTPUT}/{file.path}")) == f"sha256:{file.sha256}"


def test_publish_tells_the_time_left_of_what_is_stored(job, s3: S3Server) -> None:
    """60 MB are stored, then the next file is refused for a while."""
    pod = job()
    assert pod.run("stage") == 0
    leave_artifact(pod, {f"part{number}.safetensors": bytes([number]) * 60_000_000 for number in range(2)})
    refused = s3.block(f"{OUTPUT}/part1.safetensors")
    told: list[tuple[str, str, int | None]] = []

    def tell(reason: str, message: str, left_seconds: int | None = None, /) -> None:
        told.append((reason, message, left_seconds))
        if reason:
            shutil.rmtree(refused, ignore_errors=True)

    config, paths = run_config(), Paths(config=pod.config, work=pod.work)
    keeper = CheckpointKeeper(config, paths, pod.environment, lambda _: None)
    Publisher(config, paths, pod.environment, tell, keeper).run()
    waited = next(place for place, (reason, _, _) in enumerate(told) if reason)
    assert told[waited][2] is None, "nobody knows how long a store is away"
    done = [int(message.split()[1]) for _, message, _ in told if message.startswith("artifact")]
    assert done[-1] == max(done) == 120, "what was sent in vain is not counted"
    under_way = [(message, left) for _, message, left in told if message.endswith("s left")]
    assert under_way and all(message.endswith(f", {left} s left") for message, left in under_way)
    assert any(0 < place < 60 for place in done), "a large file is counted as it goes, and not at its end only"


def test_staging_reports_the_time_left(job, s3: S3Server, agent: AgentServer) -> None:
    pod = job(agent_url=agent.url)
    agent.mount(pod)
    s3.upload("models/base", {"model.safetensors": b"w" * 30_000_000})
    client = AgentClient(agent.url, pod.root / "token", pod.config / "ca.crt")
    config, paths = run_config(agent.url), Paths(config=pod.config, work=pod.work)

    class Flushed(Progress):
        """Every word is delivered before the work goes on: none is replaced by the next one."""

        def tell(self, reason: str, message: str, left_seconds: int | None = None, /) -> None:
            super().tell(reason, message, left_seconds)
            if left_seconds is not None or message.endswith("staged"):
                self._words.flush(30)

    stage(config, paths, pod.environment, Flushed(client, config.job, Phase.STAGING))
    under_way = [report for report in agent.reports if report.remaining_seconds is not None]
    assert under_way and all(report.message.startswith("model ") for report in under_way)
    for report in under_way:
        assert report.message.endswith(f", {report.remaining_seconds} s left") and report.trainer_status is None
    assert agent.reports[-1].remaining_seconds is None, "of the training nothing is known yet"


def test_a_wait_is_told_again_after_a_late_word_of_the_trainer(job, agent: AgentServer, monkeypatch) -> None:
    monkeypatch.setattr(reporting, "REPEAT_SECONDS", 0.1)
    pod = job(agent_url=agent.url)
    agent.mount(pod)
    client, identity = AgentClient(agent.url, pod.root / "token", pod.config / "ca.crt"), run_config().job
    progress = Progress(client, identity, Phase.PUBLISHING)
    progress.tell("ObjectStoreDenied", "the keys are wrong")
    progress.flush()
    client.report("bank", "job", Report(attempt=1, phase=Phase.PUBLISHING, message="waiting for the commit"))
    wait_for(lambda: agent.reports[-1].reason == "ObjectStoreDenied", 30, "the reason again")


def test_publish_denied_goes_on_when_access_is_given_back(job, s3: S3Server, agent: AgentServer) -> None:
    pod = job(agent_url=agent.url)
    agent.mount(pod)
    assert pod.run("stage") == 0
    s3.kill()
    s3.start(secret_key="rotated")
    pod.start("publish")
    leave_artifact(pod, ARTIFACT)
    report = wait_for(lambda: agent.report("ObjectStoreDenied"), 60, "the report")
    assert "spec.output.uri" in report.message and "kept in the pod" in report.message
    s3.kill()
    s3.start()
    committed(pod, 40)


def test_publisher_killed_in_the_middle_goes_on(job, s3: S3Server) -> None:
    pod = job()
    assert pod.run("stage") == 0
    leave_artifact(pod, {f"part{number}.safetensors": bytes([number]) * 30_000_000 for number in range(6)})
    third = s3.block(f"{OUTPUT}/part2.safetensors")
    publisher = pod.start("publish")
    wait_for(lambda: f"{OUTPUT}/part1.safetensors" in s3.keys(OUTPUT), 60, "the second file")
    publisher.kill()
    publisher.wait()
    shutil.rmtree(third)
    assert f"{OUTPUT}/COMMITTED" not in s3.keys(OUTPUT)
    pod.start("publish")
    result = committed(pod, 60)
    manifest = s3.read(f"{OUTPUT}/manifest.json")
    assert result.artifact.digest == sha256_digest(manifest)
    for file in Manifest.model_validate_json(manifest).files:
        assert sha256_digest(s3.read(f"{OUTPUT}/{file.path}")) == f"sha256:{file.sha256}"


def test_a_claim_that_nobody_finishes_is_left_to_the_next_attempt(job, s3: S3Server) -> None:
    pod = job()
    assert pod.run("stage") == 0
    request = leave_artifact(pod, {"adapter_model.safetensors": b"mine"})
    staged = Staged.model_validate_json((pod.control / "staged.json").read_bytes())
    theirs = [ManifestFile(path="adapter_model.safetensors", sha256="0" * 64, size_bytes=6)]
    claim = build_manifest(run_config(), request, staged, theirs, "2026-01-01T00:00:00Z")
    s3.upload(OUTPUT, {"manifest.json": manifest_bytes(claim)})
    told: list[str] = []
    paths = Paths(config=pod.config, work=pod.work)
    config = run_config()
    keeper = CheckpointKeeper(config, paths, pod.environment, lambda _: None)
    late = Publisher(config, paths, pod.environment, lambda reason, *_: told.append(reason), keeper, rival_seconds=1)
    with pytest.raises(StagerError) as caught:
        late.run()
    assert caught.value.exit_code is ExitCode.INTERRUPTED and caught.value.reason == "PublicationConflict"
    assert "PublicationConflict" in told and s3.keys(OUTPUT) == [f"{OUTPUT}/manifest.json"]


@pytest.mark.parametrize("kind", ["pickle", "link", "reserved", "empty"])
def test_publish_refuses_content(job, s3: S3Server, kind: str) -> None:
    pod = job()
    assert pod.run("stage") == 0
    (pod.work / "output").mkdir()
    files = {"pickle": {"a.bin": b"x"}, "reserved": {"COMMITTED": b"x"}, "link": {"a.json": b"{}"}, "empty": {}}[kind]
    if kind == "link":
        (pod.work / "output" / "b.json").symlink_to("/etc/passwd")
    leave_artifact(pod, files)
    publisher = pod.start("publish")
    place = pod.control / "publish_failure.json"
    wait_for(place.exists, 20, "publish_failure.json")
    told = json.loads(place.read_text())
    assert told == failure(pod)
    assert told["reason"] == ("EmptyArtifact" if kind == "empty" else "UnsafeArtifactFile")
    assert s3.keys(OUTPUT) == []
    publisher.send_signal(signal.SIGTERM)
    assert publisher.wait(30) == (ExitCode.INVALID_MODEL if kind == "empty" else ExitCode.UNSAFE_FILE)


def test_stage_waits_for_an_object_store_that_comes_back(job, s3: S3Server, agent: AgentServer) -> None:
    pod = job(agent_url=agent.url)
    agent.mount(pod)
    s3.kill()
    stager = pod.start("stage")
    wait_for(lambda: agent.report("ObjectStoreUnavailable"), 60, "the report")
    s3.start()
    assert stager.wait(40) == 0


def test_stage_told_to_stop_ends_at_once(job, s3: S3Server) -> None:
    pod = job()
    s3.kill()
    stager = pod.start("stage")
    wait_for(lambda: "ObjectStoreUnavailable" in pod.log.read_text(), 60, "the wait")
    stager.send_signal(signal.SIGTERM)
    assert stager.wait(30) == ExitCode.INTERRUPTED

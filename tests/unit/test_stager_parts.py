"""Folders, adapters, troubles, proofs and progress: the parts that decide by themselves."""

import json
import os
import threading

import pytest

from banktuner_api.bankingmodel import AdapterState
from banktuner_api.exit_codes import ExitCode
from banktuner_api.manifest import Manifest, ManifestFile
from banktuner_stager import folder
from banktuner_stager.adapter import Limits, check_config
from banktuner_stager.artifact import artifact_files
from banktuner_stager.download import Source, parse_manifest
from banktuner_stager.engine import EngineDownError, EngineError, EngineFailedError
from banktuner_stager.errors import StagerError, digest_mismatch
from banktuner_stager.gateway import classifier_files
from banktuner_stager.main import describe
from banktuner_stager.model import Meter, pinned
from banktuner_stager.reporting import NewestWord
from banktuner_stager.store import Entry, Location
from banktuner_stager.tgi_proof import is_applied
from banktuner_stager.trouble import CRASH_HOLD, LONGEST_HOLD, trouble_of

URI, FIELD = "s3://bank/model", "spec.model.uri"
SOURCE = Source(None, Location("bank", "model"), FIELD)
DIGEST = f"sha256:{'0' * 64}"


def entries(*paths: str, size: int = 10) -> list[Entry]:
    return [Entry(path, size) for path in paths]


def test_model_files_takes_the_known_kinds() -> None:
    listed = entries(
        "config.json", "model.safetensors", "README.md", ".cache/x.json", "manifest.json", "COMMITTED", "1/config.json"
    )
    taken = [entry.path for entry in folder.model_files(listed, URI, FIELD)]
    assert taken == ["config.json", "model.safetensors", "1/config.json"]


@pytest.mark.parametrize("suffix", [".bin", ".pt", ".pth", ".pkl", ".PICKLE", ".ckpt", ".h5", ".py", ".so", ".msgpack"])
def test_model_files_refuses_code(suffix: str) -> None:
    with pytest.raises(StagerError) as caught:
        folder.model_files(entries("config.json", "model.safetensors", f"deep/er/x{suffix}"), URI, FIELD)
    assert caught.value.exit_code is ExitCode.UNSAFE_FILE
    assert f"deep/er/x{suffix}" in caught.value.message and caught.value.field == FIELD


def test_many_unsafe_files_are_counted_not_listed() -> None:
    with pytest.raises(StagerError) as caught:
        folder.refuse_unsafe([f"{number}.bin" for number in range(500)], URI, FIELD)
    assert "and 495 more" in caught.value.message and len(caught.value.message) < 500


@pytest.mark.parametrize("listed", [entries(*map(str, range(1001))), entries("a", size=3 * 1024**4)])
def test_bounds(listed: list[Entry]) -> None:
    with pytest.raises(StagerError):
        folder.check_bounds(listed, URI, FIELD)


def test_room() -> None:
    folder.check_room(10, 10, URI)
    with pytest.raises(StagerError) as caught:
        folder.check_room(11, 10, URI)
    assert caught.value.exit_code is ExitCode.DISK_FULL and "ephemeralStorage" in caught.value.message


@pytest.mark.parametrize(
    ("uri", "suffix"), [("s3://b/a.csv", ".csv"), ("s3://b/a.JSONL", ".jsonl"), ("s3://b/x.y/a.parquet", ".parquet")]
)
def test_data_suffix(uri: str, suffix: str) -> None:
    assert folder.data_suffix(uri, FIELD) == suffix


@pytest.mark.parametrize("uri", ["s3://b/a", "s3://b/a.csv/", "s3://b/a.xlsx", "s3://b/a.csv.gz"])
def test_data_suffix_refuses(uri: str) -> None:
    with pytest.raises(StagerError) as caught:
        folder.data_suffix(uri, FIELD)
    assert caught.value.exit_code is ExitCode.INVALID_DATA and ".parquet" in caught.value.message


@pytest.mark.parametrize("content", [b"[]", b"{", b"\xff", b"[" * 100_000])
def test_json_object_refuses(content: bytes) -> None:
    with pytest.raises(StagerError):
        folder.json_object("config.json", content, URI, FIELD)


@pytest.mark.parametrize("path", ["../x.json", "/etc/x.json", "a/../../x.json", "x.bin", "COMMITTED", "manifest.json"])
def test_a_manifest_cannot_reach_out_of_its_folder(path: str) -> None:
    manifest = {
        "job": {"namespace": "n", "name": "n", "uid": "u", "attempt": 1},
        "task": "Instruction",
        "method": "LoRA",
        "servedAs": "Adapter",
        "modelDigest": DIGEST,
        "datasetDigest": DIGEST,
        "trainerVersion": "1",
        "createdTime": "2026-01-01T00:00:00Z",
        "files": [{"path": path, "sha256": "0" * 64, "sizeBytes": 1}],
    }
    with pytest.raises(StagerError) as caught:
        parse_manifest(json.dumps(manifest).encode(), SOURCE)
    assert caught.value.exit_code is ExitCode.INTEGRITY


def test_pinned_files_must_all_be_there() -> None:
    expected = {"a.json": ManifestFile(path="a.json", sha256="0" * 64, size_bytes=10)}
    assert pinned(entries("a.json", "b.json"), expected, SOURCE) == entries("a.json")
    for listed in (entries("b.json"), entries("a.json", size=11)):
        with pytest.raises(StagerError) as caught:
            pinned(listed, expected, SOURCE)
        assert "a.json" in caught.value.message


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"peft_type": "IA3", "r": 8}, "InvalidModel"),
        ({"r": 8}, "InvalidModel"),
        ({"peft_type": "LORA"}, "InvalidModel"),
        ({"peft_type": "LORA", "r": "8"}, "InvalidModel"),
        ({"peft_type": "LORA", "r": 0}, "InvalidModel"),
        ({"peft_type": "LORA", "r": 17}, "RankTooLarge"),
        ({"peft_type": "LORA", "r": 8, "rank_pattern": {"q_proj": 32}}, "RankTooLarge"),
        ({"peft_type": "LORA", "r": 8, "rank_pattern": ["x"]}, "InvalidModel"),
    ],
)
def test_adapter_config_refused(config, reason: str) -> None:
    with pytest.raises(StagerError) as caught:
        check_config(config, SOURCE, Limits(16, DIGEST))
    assert caught.value.reason == reason


def test_adapter_config_taken() -> None:
    check_config({"peft_type": "LORA", "r": 16, "rank_pattern": {"q_proj": 8}}, SOURCE, Limits(16, DIGEST))


def test_artifact_files(tmp_path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.json").write_bytes(b"{}")
    (tmp_path / "b.safetensors").write_bytes(b"12345")
    assert [(file.path, file.size_bytes) for file in artifact_files(tmp_path)] == [
        ("b.safetensors", 5),
        ("sub/a.json", 2),
    ]


@pytest.mark.parametrize("kind", ["link", "linked folder", "pipe", "name"])
def test_artifact_files_refuses(tmp_path, kind: str) -> None:
    output = tmp_path / "output"
    output.mkdir()
    (output / "a.json").write_bytes(b"{}")
    if kind == "pipe":
        os.mkfifo(output / "b.json")
    elif kind == "name":
        (output / "b c\n.json").write_bytes(b"{}")
    else:
        (output / "b.json").symlink_to(output / "a.json" if kind == "link" else tmp_path)
    with pytest.raises(StagerError) as caught:
        artifact_files(output)
    assert caught.value.exit_code is ExitCode.UNSAFE_FILE


def test_troubles_back_off_and_say_whether_they_pass() -> None:
    passing = trouble_of(EngineDownError("away"), None, 0.0)
    assert (passing.state, passing.until) == (AdapterState.WAITING, 2.0)
    trouble = None
    for _ in range(20):
        trouble = trouble_of(digest_mismatch("changed", FIELD), trouble, 100.0)
    assert (trouble.state, trouble.reason) == (AdapterState.FAILED, "DigestMismatch")
    assert trouble.until == 100.0 + LONGEST_HOLD
    assert trouble_of(EngineError("no"), None, 0.0).reason == "EngineRefused"
    assert trouble_of(ValueError("a customer's data"), None, 0.0).message == "unexpected ValueError"


def test_an_adapter_that_breaks_the_engine_waits_until_the_others_serve() -> None:
    first = trouble_of(EngineFailedError("status 500"), None, 0.0)
    assert (first.state, first.reason, first.until) == (AdapterState.FAILED, "EngineFailed", CRASH_HOLD)
    assert trouble_of(EngineFailedError("status 500"), first, 0.0).delay == 2 * CRASH_HOLD
    assert trouble_of(EngineDownError("away"), first, 0.0).state is AdapterState.WAITING


@pytest.mark.parametrize(
    ("again", "adapted", "applied"),
    [
        ({1: -1.0, 2: -2.0}, {1: -1.5, 2: -1.8}, True),
        ({1: -1.0, 2: -2.0}, {1: -1.0, 2: -2.0}, False),
        ({1: -1.0, 2: -2.0}, {1: -1.0005, 2: -2.0}, False),
        ({1: -1.01, 2: -2.0}, {1: -1.05, 2: -2.0}, False),
        ({1: -1.01, 2: -2.0}, {1: -1.5, 2: -2.0}, True),
        ({1: -1.0, 2: -2.0}, {3: -1.0, 4: -2.0}, True),
    ],
)
def test_a_proof_is_more_than_noise(again, adapted, applied: bool) -> None:
    assert is_applied({1: -1.0, 2: -2.0}, again, adapted) is applied


def test_meter_tells_megabytes_and_the_time_left() -> None:
    told: list[tuple[str, int | None]] = []
    seconds = iter(range(100))
    meter = Meter("model", entries("a", size=100_000_000), lambda *word: told.append(word), lambda: next(seconds))
    for _ in range(100):
        meter(1_000_000)
    assert told[0] == ("model 0 of 100 MB", None) and told[-1] == ("model 100 of 100 MB", None)
    assert told[5] == ("model 25 of 100 MB, 15 s left", 15)  # the clock moves on by a second a word
    assert len(told) == 21


def test_a_meter_that_goes_back_forgets_the_time_that_was_lost() -> None:
    told: list[tuple[str, int | None]] = []
    now = [0.0]
    meter = Meter("artifact", entries("a", size=100_000_000), lambda *word: told.append(word), lambda: now[0])
    meter(40_000_000)
    now[0] = 3600.0  # the store was away
    meter.back_to(20_000_000)
    now[0] += 10.0
    meter(20_000_000)
    assert meter.done == 40_000_000 and told[-1] == ("artifact 40 of 100 MB, 30 s left", 30)


def test_a_word_told_while_the_one_before_it_is_settled_is_delivered() -> None:
    class SecondWordFirst(threading.Condition):
        """Before the reporting thread settles the first word, another one is told."""

        def __enter__(self) -> bool:
            if delivered == ["first"] and threading.current_thread().name == "reporting":
                delivered.append("settling")
                words.tell("second")
            return super().__enter__()

    def deliver(word: str) -> None:
        delivered.append(word)
        words._changed = SecondWordFirst()
        if word == "second":
            done.set()

    delivered: list[str] = []
    done = threading.Event()
    words = NewestWord(deliver)
    words.tell("first")
    assert done.wait(30)


def test_unexpected_errors_tell_their_type_only() -> None:
    failure, code = describe(ValueError("a customer's data"))
    assert (failure.reason, failure.message, code) == ("Internal", "unexpected ValueError", ExitCode.INTERNAL)
    failure, code = describe(OSError(28, "No space left on device"))
    assert (failure.reason, code) == ("DiskFull", ExitCode.DISK_FULL)


CLASSIFIER = ["onnx/classifier.onnx", "onnx/classifier.json", "onnx/tokenizer.json"]


def manifest_of(paths: list[str], served_as: str = "Classifier") -> Manifest:
    files = [{"path": path, "sha256": "0" * 64, "sizeBytes": 1} for path in paths]
    return Manifest.model_validate(
        {
            "job": {"namespace": "bank", "name": "intents", "uid": "u", "attempt": 1},
            "task": "Classification",
            "method": "LoRA",
            "servedAs": served_as,
            "modelDigest": DIGEST,
            "datasetDigest": DIGEST,
            "trainerVersion": "1",
            "createdTime": "2026-01-01T00:00:00Z",
            "files": files,
        }
    )


def test_a_gateway_takes_the_onnx_folder_of_a_classifier_only() -> None:
    files = classifier_files(manifest_of([*CLASSIFIER, "adapter_config.json", "report/onnx/x.json"]), SOURCE)
    assert sorted(files) == ["classifier.json", "classifier.onnx", "tokenizer.json"]


@pytest.mark.parametrize(
    ("paths", "served_as", "reason", "words"),
    [
        (CLASSIFIER, "Adapter", "ClassifierNotUsable", "is served as Adapter"),
        (CLASSIFIER[1:], "Classifier", "InvalidModel", "has no onnx/classifier.onnx"),
        (["classifier.onnx"], "Classifier", "InvalidModel", "has no onnx/classifier.json"),
    ],
)
def test_what_is_no_classifier_for_a_gateway(paths: list[str], served_as: str, reason: str, words: str) -> None:
    with pytest.raises(StagerError) as caught:
        classifier_files(manifest_of(paths, served_as), SOURCE)
    assert caught.value.exit_code is ExitCode.INVALID_MODEL and caught.value.reason == reason
    assert words in caught.value.message and caught.value.message.startswith(f"{FIELD}: ")


@pytest.mark.parametrize(("key", "child"), [("a/b", "a/b/onnx"), ("", "onnx")])
def test_a_folder_in_a_folder(key: str, child: str) -> None:
    assert Location("bank", key).child("onnx") == Location("bank", child)

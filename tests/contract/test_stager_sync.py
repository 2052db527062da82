"""stage-model and sync as processes: a real S3 server, the agent API over TLS, and an engine with vLLM's contract."""

import json
import signal
from collections.abc import Iterator

import pytest

from banktuner_api.bankingmodel import Engine
from banktuner_api.serving import CanaryAdapter
from tests.contract.agent_server import AgentServer
from tests.contract.harness import S3Server, wait_for
from tests.contract.serving_pod import MODEL, PREFIX, Serving, desired
from tests.contract.vllm_server import VllmServer


@pytest.fixture
def engine() -> Iterator[VllmServer]:
    server = VllmServer("assistant")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def serving(s3: S3Server, agent: AgentServer, engine: VllmServer, pods) -> Serving:
    s3.upload("models/base", MODEL)
    pod = pods("pod", {**s3.secret(PREFIX), "POD_NAME": "assistant-0"})
    agent.mount(pod)
    made = Serving(pod, s3, agent, engine.url)
    made.mount(made.state())
    made.stage_model()
    return made


def test_an_adapter_is_loaded_proved_and_replaced(serving: Serving, engine: VllmServer, agent: AgentServer) -> None:
    first = serving.publish("cards")
    serving.mount(serving.state(first))
    process = serving.sync()
    ready = wait_for(lambda: serving.told("cards", "Ready"), 30, "the first version")
    assert ready.digest == first.digest and 0 < ready.load_seconds < 30
    assert agent.observed[-1].pod == "assistant-0"
    wait_for((serving.pod.control / "adapters-ready").exists, 5, "adapters-ready")
    assert engine.calls == [("load", first.served_name), ("complete", first.served_name)]

    second = serving.publish("cards", version=2)
    agent.desired = serving.state(second)
    wait_for(lambda: set(engine.adapters) == {second.served_name}, 30, "the second version alone")
    steps = [verb for verb, _ in engine.calls[2:]]
    assert steps == ["load", "complete", "unload"], "the old version answers until the new one is proved"
    folders = serving.pod.work / "adapters"
    wait_for(lambda: [path.name for path in folders.iterdir()] == [second.served_name], 10, "the old folder's end")

    agent.desired = serving.state()
    wait_for(lambda: not engine.adapters and not list(folders.iterdir()), 10, "no adapter")
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_a_version_is_tried_beside_the_one_that_answers(
    serving: Serving, engine: VllmServer, agent: AgentServer
) -> None:
    first, second = serving.publish("cards"), serving.publish("cards", version=2)
    agent.desired = serving.state(first)
    serving.mount(agent.desired)
    serving.sync()
    wait_for(lambda: serving.told("cards", "Ready"), 30, "the first version")
    canary = CanaryAdapter(**dict(second), percent=0)
    agent.desired = serving.state(first, canaries=[canary], revision="both")

    def both_are_told() -> bool:
        told = agent.observed[-1].adapters
        return [(entry.digest, entry.state) for entry in told] == [(first.digest, "Ready"), (second.digest, "Ready")]

    wait_for(both_are_told, 30, "both versions")
    assert set(engine.adapters) == {first.served_name, second.served_name}
    agent.desired = serving.state(second)
    wait_for(lambda: set(engine.adapters) == {second.served_name}, 30, "the second version alone")
    steps = [step for step in engine.calls if step[0] != "complete"]
    assert steps == [("load", first.served_name), ("load", second.served_name), ("unload", first.served_name)]


def test_a_bad_adapter_delays_no_other(serving: Serving, engine: VllmServer) -> None:
    bad = {
        "flipped": (serving.publish("flipped", flip="adapter_model.safetensors"), "DigestMismatch"),
        "base": (serving.publish("base", baseModelDigest=f"sha256:{'1' * 64}"), "BaseModelMismatch"),
        "rank": (serving.publish("rank", config={"peft_type": "LORA", "r": 32}), "RankTooLarge"),
        "ia": (serving.publish("ia", config={"peft_type": "IA3"}), "InvalidModel"),
        "merged": (serving.publish("merged", servedAs="Merged"), "NotServable"),
        "onnx": (serving.publish("onnx", files={"model.onnx": b"x"}), "UnsafeModelFile"),
        "pickle": (serving.publish("pickle", files={"training_args.bin": b"x"}), "DigestMismatch"),
        "missing": (desired("missing", f"sha256:{'2' * 64}", "adapters/none"), "ObjectNotFound"),
        "refused": (serving.publish("refused"), "EngineRefused"),
    }
    good = serving.publish("good")
    engine.refuse.add(bad["refused"][0].served_name)
    serving.mount(serving.state(*(adapter for adapter, _ in bad.values()), good))
    serving.sync()
    wait_for(lambda: serving.told("good", "Ready"), 30, "the good adapter")
    for name, (_, reason) in bad.items():
        told = wait_for(lambda name=name: serving.told(name, "Failed"), 30, name)
        assert told.reason == reason, (name, told)
    wait_for((serving.pod.control / "adapters-ready").exists, 10, "adapters-ready")
    assert set(engine.adapters) == {good.served_name}
    assert sorted(path.name for path in (serving.pod.work / "adapters").iterdir() if path.suffix != ".tmp") == sorted(
        [good.served_name, bad["refused"][0].served_name]
    )


def test_a_failed_adapter_recovers_when_it_is_mended(serving: Serving, s3: S3Server) -> None:
    adapter = serving.publish("cards", flip="adapter_model.safetensors")
    serving.mount(serving.state(adapter))
    serving.sync()
    wait_for(lambda: serving.told("cards", "Failed"), 30, "the failure")
    serving.publish("cards")
    wait_for(lambda: serving.told("cards", "Ready"), 30, "the mended adapter")


def test_engine_restart_loads_everything_again(serving: Serving, engine: VllmServer) -> None:
    adapters = [serving.publish("cards"), serving.publish("loans")]
    serving.mount(serving.state(*adapters))
    serving.sync()
    wait_for(lambda: serving.told("cards", "Ready") and serving.told("loans", "Ready"), 30, "both")
    engine.stop()
    wait_for(lambda: serving.told("cards", "Waiting"), 10, "the engine's end")
    engine.calls.clear()
    engine.start()
    wait_for(lambda: serving.told("cards", "Ready") and serving.told("loans", "Ready"), 20, "both again")
    assert sorted(verb for verb, _ in engine.calls) == ["complete", "complete", "load", "load"]


def test_an_adapter_that_kills_the_engine_is_held_and_others_serve(serving: Serving, engine: VllmServer) -> None:
    deadly, good = serving.publish("deadly"), serving.publish("good")
    engine.fatal.add(deadly.served_name)
    serving.mount(serving.state(deadly))
    serving.sync()
    told = wait_for(lambda: serving.told("deadly", "Failed"), 30, "the failure")
    assert told.reason == "EngineFailed"
    serving.agent.desired = serving.state(deadly, good)
    engine.stop()
    engine.start()
    wait_for(lambda: serving.told("good", "Ready"), 30, "the other adapter")
    assert set(engine.adapters) == {good.served_name}
    wait_for((serving.pod.control / "adapters-ready").exists, 5, "adapters-ready")


def test_sync_killed_starts_from_what_is_so(serving: Serving, engine: VllmServer, agent: AgentServer) -> None:
    adapter = serving.publish("cards")
    serving.mount(serving.state(adapter))
    process = serving.sync()
    wait_for(lambda: serving.told("cards", "Ready"), 30, "the adapter")
    process.kill()
    process.wait()
    agent.observed.clear()
    (serving.pod.work / "adapters" / "half.tmp").mkdir()
    serving.sync()
    wait_for(lambda: serving.told("cards", "Ready"), 30, "the adapter again")
    assert [verb for verb, _ in engine.calls] == ["load", "complete", "complete"], "loaded once, proved twice"
    assert not (serving.pod.work / "adapters" / "half.tmp").exists()


def test_the_mounted_state_counts_while_the_agent_api_is_away(
    serving: Serving, engine: VllmServer, agent: AgentServer
) -> None:
    first, second = serving.publish("cards"), serving.publish("loans")
    agent.stop()
    serving.mount(serving.state(first))
    serving.sync()
    wait_for(lambda: first.served_name in engine.adapters, 30, "the mounted adapter")
    serving.mount(serving.state(first, second))
    wait_for(lambda: second.served_name in engine.adapters, 30, "the newly mounted adapter")
    agent.start()
    wait_for(lambda: serving.told("loans", "Ready"), 20, "what is observed, told late")


def test_object_store_outage_is_waited_out(serving: Serving, s3: S3Server) -> None:
    adapter = serving.publish("cards")
    serving.mount(serving.state(adapter))
    s3.kill()
    serving.sync()
    told = wait_for(lambda: serving.told("cards", "Waiting"), 60, "the outage")
    wait_for(lambda: serving.told("cards", "Waiting").reason == "ObjectStoreUnavailable", 60, f"the reason ({told})")
    s3.start()
    wait_for(lambda: serving.told("cards", "Ready"), 60, "the adapter")


def test_stage_model_brings_adapters_for_tgi_and_names_a_bad_one(serving: Serving) -> None:
    good = serving.publish("cards")
    serving.mount(serving.state(good, engine=Engine.TGI))
    assert serving.pod.run("stage-model") == 0, serving.pod.log.read_text()
    assert (serving.pod.work / "adapters" / good.served_name / "adapter_model.safetensors").exists()
    bad = serving.publish("loans", flip="adapter_config.json")
    serving.mount(serving.state(good, bad, engine=Engine.TGI))
    assert serving.pod.run("stage-model") == 69
    told = json.loads(serving.pod.termination_log.read_text())
    assert told["field"] == "spec.adapters[loans]" and told["reason"] == "DigestMismatch"

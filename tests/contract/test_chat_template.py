"""The chat template of a serving pod, with the real stager: the base model's, or an adapter's where it has none."""

import json
from collections.abc import Iterator

import pytest

from banktuner_api.bankingmodel import Engine
from banktuner_api.manifest import sha256_digest
from tests.contract.agent_server import AgentServer
from tests.contract.harness import S3Server, wait_for
from tests.contract.serving_pod import MODEL, PREFIX, Serving
from tests.contract.vllm_server import VllmServer

ALPACA = "{{ bos_token }}### Instruction: {{ messages }}"
OWN = "<|user|>{{ messages }}"


@pytest.fixture
def engine() -> Iterator[VllmServer]:
    server = VllmServer("assistant")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def serving(s3: S3Server, agent: AgentServer, engine: VllmServer, pods) -> Serving:
    pod = pods("pod", {**s3.secret(PREFIX), "POD_NAME": "assistant-0"})
    agent.mount(pod)
    return Serving(pod, s3, agent, engine.url)


def base(serving: Serving, **files: bytes) -> None:
    """Upload the base model and stage it, so that its digest is known."""
    named = {"chat_template.jinja" if name == "jinja" else f"{name}.json": content for name, content in files.items()}
    serving.s3.upload("models/base", MODEL | named)
    serving.mount(serving.state())
    serving.stage_model()


def adapter(serving: Serving, name: str, template: str):
    config = json.dumps({"chat_template": template, "eos_token": "</s>"}).encode()
    digest = sha256_digest(template.encode())
    return serving.publish(name, files={"tokenizer_config.json": config}, chatTemplateDigest=digest)


def staged(serving: Serving) -> dict:
    return json.loads((serving.pod.work / "model" / "tokenizer_config.json").read_text())


@pytest.mark.parametrize("engine_name", [Engine.VLLM, Engine.TGI])
def test_a_base_without_template_gets_its_adapters(serving: Serving, engine_name: Engine) -> None:
    base(serving, tokenizer_config=b'{"eos_token": "</s>"}')
    first, second = adapter(serving, "cards", ALPACA), adapter(serving, "loans", ALPACA)
    serving.mount(serving.state(first, second, engine=engine_name))
    digest = serving.base_digest
    serving.stage_model()
    assert staged(serving) == {"eos_token": "</s>", "chat_template": ALPACA}
    assert serving.base_digest == digest, "the base model is the same whatever it is rendered with"
    serving.stage_model()
    assert serving.base_digest == digest, "also where the container starts again in the same pod"


def test_a_first_adapter_that_is_broken_is_passed_over(serving: Serving) -> None:
    base(serving)
    broken = serving.publish("broken", flip="adapter_model.safetensors")
    serving.mount(serving.state(broken, adapter(serving, "cards", ALPACA)))
    serving.stage_model()
    assert staged(serving) == {"chat_template": ALPACA}


def test_a_template_in_a_file_of_its_own_is_staged_and_told_in_the_old_place(serving: Serving) -> None:
    base(serving, tokenizer_config=b'{"eos_token": "</s>"}', jinja=OWN.encode())
    assert staged(serving)["chat_template"] == OWN
    assert (serving.pod.work / "model" / "chat_template.jinja").read_text() == OWN


def test_the_bases_own_template_stays(serving: Serving, engine: VllmServer) -> None:
    base(serving, tokenizer_config=json.dumps({"chat_template": OWN}).encode())
    same, other = adapter(serving, "same", OWN), adapter(serving, "other", ALPACA)
    serving.mount(serving.state(other, same))
    serving.stage_model()
    assert staged(serving) == {"chat_template": OWN}
    serving.sync()
    wait_for(lambda: serving.told("same", "Ready"), 30, "the adapter with the base model's template")
    told = wait_for(lambda: serving.told("other", "Failed"), 30, "the refusal")
    assert told.reason == "ChatTemplateMismatch"
    assert set(engine.adapters) == {same.served_name}


def test_an_engine_without_template_takes_no_adapter_that_has_one(serving: Serving, engine: VllmServer) -> None:
    base(serving)
    serving.mount(serving.state(adapter(serving, "late", ALPACA)))
    serving.sync()
    told = wait_for(lambda: serving.told("late", "Failed"), 30, "the refusal")
    assert told.reason == "ChatTemplateMismatch" and "delete the model's pods" in told.message
    assert not engine.adapters


@pytest.mark.parametrize(
    ("content", "template"),
    [
        (b'[{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]', "d"),
        (b'"plain"', "plain"),
        (b"null", None),
    ],
)
def test_templates_with_names(content: bytes, template: str | None, tmp_path) -> None:
    from banktuner_stager.chat_template import template_of

    (tmp_path / "tokenizer_config.json").write_bytes(b'{"chat_template": ' + content + b"}")
    assert template_of(tmp_path) == template

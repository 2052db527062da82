"""One serving pod's desired state, published adapters, and what it told."""

import json
from subprocess import Popen

from banktuner_api.bankingmodel import Engine
from banktuner_api.manifest import sha256_digest
from banktuner_api.names import served_name
from banktuner_api.run_config import ObjectRef
from banktuner_api.serving import DesiredAdapter, DesiredState
from tests.contract.agent_server import AgentServer
from tests.contract.harness import BUCKET, Pod, S3Server

PREFIX = "BT_TEST_"
MODEL = {"config.json": b'{"model_type": "llama"}', "model.safetensors": b"weights" * 1000}
CONFIG = {"peft_type": "LORA", "r": 8}


class Serving:
    """One serving pod: its desired state, and what it told."""

    def __init__(self, pod: Pod, s3: S3Server, agent: AgentServer, engine_url: str) -> None:
        self.pod, self.s3, self.agent, self.engine_url = pod, s3, agent, engine_url
        self.base_digest = ""

    def state(self, *adapters: DesiredAdapter, **changes) -> DesiredState:
        values = {
            "revision": "-".join(adapter.served_name for adapter in adapters) or "none",
            "namespace": "bank",
            "name": "assistant",
            "engine": Engine.VLLM,
            "model": ObjectRef(uri=f"s3://{BUCKET}/models/base", credentials=PREFIX),
            "adapters": list(adapters),
            "max_rank": 16,
            "agent_url": self.agent.url,
        }
        return DesiredState(**{**values, **changes})

    def mount(self, state: DesiredState) -> None:
        (self.pod.config / "desired.json").write_text(json.dumps(state.to_json()))

    def stage_model(self) -> None:
        assert self.pod.run("stage-model") == 0, self.pod.log.read_text()
        self.base_digest = (self.pod.control / "base-model-digest").read_text()

    def sync(self) -> Popen[str]:
        return self.pod.start("sync", "--engine-url", self.engine_url)

    def publish(self, name: str, version: int = 1, flip: str | None = None, config=CONFIG, **changes) -> DesiredAdapter:
        """A committed adapter in the object store."""
        files = {
            "adapter_config.json": json.dumps(config).encode(),
            "adapter_model.safetensors": f"{name} {version}".encode() * 1000,
            **changes.pop("files", {}),
        }
        listed = [
            {"path": path, "sha256": sha256_digest(content).removeprefix("sha256:"), "sizeBytes": len(content)}
            for path, content in files.items()
        ]
        manifest = {
            "job": {"namespace": "bank", "name": name, "uid": "u", "attempt": version},
            "task": "Instruction",
            "method": "LoRA",
            "rank": 8,
            "servedAs": "Adapter",
            "baseModelDigest": self.base_digest,
            "modelDigest": f"sha256:{'0' * 64}",
            "datasetDigest": f"sha256:{'0' * 64}",
            "trainerVersion": "1",
            "createdTime": "2026-01-01T00:00:00Z",
            "files": listed,
            **changes,
        }
        content = json.dumps(manifest).encode()
        if flip:
            files[flip] = bytes([files[flip][0] ^ 1]) + files[flip][1:]
        key = f"adapters/{name}/{version}"
        self.s3.upload(key, {**files, "manifest.json": content})
        return desired(name, sha256_digest(content), key)

    def told(self, name: str, state: str):
        """What the pod last told of an adapter, if it is in that state."""
        if not self.agent.observed:
            return None
        return next((a for a in self.agent.observed[-1].adapters if a.name == name and a.state == state), None)


def desired(name: str, digest: str, key: str) -> DesiredAdapter:
    source = ObjectRef(uri=f"s3://{BUCKET}/{key}", credentials=PREFIX, digest=digest)
    return DesiredAdapter(name=name, served_name=served_name(name, digest), digest=digest, source=source)

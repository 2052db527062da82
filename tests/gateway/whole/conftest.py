"""Two replicas of the gateway as pods run it, with every part: classifier, documents, Valkey, records."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.contract.harness import S3Server
from tests.gateway.conftest import pod_files
from tests.gateway.conversations.valkey_server import ValkeyServer
from tests.gateway.harness import AUTH, Engine, gateway_config
from tests.gateway.process import running_process
from tests.gateway.retrieval.test_job import PREFIX, run_job, s3, settings
from tests.gateway.scope.conftest import write_artifact
from tests.gateway.scope.test_refused_answers import CLASSIFIER
from tests.gateway.trail import VOLUME, make_trail

__all__ = ["s3"]
UNREADABLE = "platypus"
"""A word that the tokenizer knows and the graph does not: one artifact's tokenizer beside another's graph."""
PATIENT = """
import runpy
from banktuner_gateway.conversations import redis_store
redis_store.SOCKET_SECONDS, redis_store.OPERATION_SECONDS = 60.0, 120.0
runpy.run_module("banktuner_gateway", run_name="__main__", alter_sys=True)
"""
"""On a busy machine Valkey may take seconds."""
REDIS = {"store": "Redis", "redisSecretRef": {"name": "redis"}}


@dataclass(frozen=True)
class Replica:
    """A running gateway: its client, which has the caller's token, its pod's files, and what it logs."""

    client: httpx.Client
    files: Path
    log: Path


@pytest.fixture(scope="module")
def documents(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> S3Server:
    """An object store with three of the example's policies, the encoder, and the index that the Job made of them."""
    indexed = run_job(tmp_path_factory.mktemp("job"), settings(), s3.secret(PREFIX))
    assert indexed.returncode == 0, indexed.stderr
    return s3


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    server = ValkeyServer(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def replicas(
    running_engine: Engine, documents: S3Server, valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Replica, Replica]]:
    """Each with its own volumes, as two pods have."""
    config = gateway_config(running_engine.port, audit=VOLUME, scope=CLASSIFIER, conversations=REDIS).to_json()
    pods = [whole_pod(tmp_path_factory.mktemp(f"pod{number}"), config, valkey.url) for number in (1, 2)]
    secret = documents.secret(PREFIX)
    with replica(pods[0], secret) as first, replica(pods[1], secret) as second:
        yield first, second


def whole_pod(folder: Path, config: dict[str, object], redis_url: str) -> Path:
    """The files that such a pod mounts."""
    make_trail(pod_files(folder))
    (folder / "gateway.json").write_text(json.dumps(config))
    (folder / "retrieval.json").write_text(json.dumps(settings()))
    (folder / "secrets" / "redis").mkdir()
    (folder / "secrets" / "redis" / "url").write_text(f"{redis_url}\n")
    classifier = folder / "work" / "classifier"
    write_artifact(classifier)
    tokenizer = json.loads((classifier / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"][UNREADABLE] = 100_000
    (classifier / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder


@contextmanager
def replica(files: Path, secret: dict[str, str]) -> Iterator[Replica]:
    """From when it is ready."""
    environment = secret | {"POD_NAME": files.name}
    with (
        (files / "log").open("w") as log,
        running_process(files, program=("-c", PATIENT), environment=environment, stdout=log) as (_, client),
    ):
        client.headers.update(AUTH)
        client.timeout = httpx.Timeout(300)
        yield Replica(client, files, files / "log")

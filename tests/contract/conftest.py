"""Fixtures of the contract tests: real servers and processes, each ended with its test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.agent_server import AgentServer
from tests.contract.harness import Pod, S3Server, find_versitygw


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Server]:
    server = S3Server(find_versitygw(), tmp_path / "s3")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def pods(tmp_path: Path):
    """Makes pods; their processes are ended with the test."""
    made: list[Pod] = []

    def make(name: str, environment: dict[str, str]) -> Pod:
        made.append(Pod(tmp_path / name, environment))
        return made[-1]

    yield make
    for pod in made:
        pod.stop()


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[AgentServer]:
    server = AgentServer(tmp_path / "agent")
    server.start()
    yield server
    server.stop()

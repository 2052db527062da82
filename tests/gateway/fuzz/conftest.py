"""A gateway process with every guard that needs no model files, and its log afterwards."""

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.gateway.conftest import pod_files
from tests.gateway.harness import AUTH, Engine, gateway_config
from tests.gateway.process import running_process
from tests.gateway.trail import VOLUME, make_trail


@dataclass
class Fuzzed:
    url: str
    client: httpx.Client
    folder: Path

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()


@pytest.fixture(scope="session")
def fuzzed(running_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    folder = pod_files(tmp_path_factory.mktemp("fuzzed"))
    make_trail(folder)
    config = gateway_config(
        running_engine.port,
        scope={},
        audit=VOLUME,
        privacy={"entities": [{"name": "CUSTOMER", "pattern": "KD[0-9]{6}"}]},
        access=[{"adapter": "card-support", "groups": ["teller"]}],
        conversations={"maxTurns": 2},
    )
    (folder / "gateway.json").write_text(json.dumps(config.to_json()))
    with (folder / "log").open("w") as log, running_process(folder, stdout=log) as (running, client):
        client.headers.update(AUTH)
        yield Fuzzed(str(client.base_url), client, folder)
        running.terminate()
        assert running.wait(60) in (0, -signal.SIGTERM)

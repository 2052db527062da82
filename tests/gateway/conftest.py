import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

import httpx
import pytest

from banktuner_gateway.audit import log, volume
from banktuner_gateway.audit.log import Timing
from tests.gateway.agent_server import AgentServer, make_certificate
from tests.gateway.harness import (
    TOKEN,
    Background,
    Engine,
    desired,
    gateway_config,
    serve_gateway,
    settings,
    write_desired,
    write_tokens,
)
from tests.gateway.trail import VOLUME, make_trail

STARTED = datetime.now(UTC)


class OneDay(datetime):
    """Midnight, at which records go on in a new file, does not come while the tests run."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        return STARTED.astimezone(tz)


@pytest.fixture(scope="session", autouse=True)
def one_day() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(volume, "datetime", OneDay)
        yield


@pytest.fixture(scope="session", autouse=True)
def patience() -> Iterator[None]:
    """On a busy machine a file may take seconds to be on the disk, and an answer that waits for it too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(httpx.Client.__init__.__kwdefaults__, "timeout", httpx.Timeout(60))
        patch.setattr(log, "Timing", lambda: Timing(write=60))
        yield


@pytest.fixture(scope="session")
def background() -> Iterator[Background]:
    loop = Background()
    yield loop
    loop.close()


@pytest.fixture(scope="session")
def running_engine(background: Background) -> Iterator[Engine]:
    servers = AsyncExitStack()
    yield background.run(servers.enter_async_context(Engine().serve()))
    background.run(servers.aclose())


@pytest.fixture
def engine(running_engine: Engine) -> Iterator[Engine]:
    """As it was made, afterwards too: a gateway that outlives a test would go by what another one left."""
    running_engine.reset()
    yield running_engine
    running_engine.reset()


def pod_files(folder: Path) -> Path:
    """The folder that a gateway pod mounts, with one caller and one adapter."""
    write_desired(folder, desired())
    write_tokens(folder / "tokens", teller=TOKEN)
    return folder


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return pod_files(tmp_path)


@pytest.fixture
def stack(background: Background) -> Iterator[AsyncExitStack]:
    servers = AsyncExitStack()
    yield servers
    background.run(servers.aclose())


StartGateway = Callable[..., str]


@pytest.fixture
def start_gateway(background: Background, stack: AsyncExitStack, engine: Engine, files: Path) -> StartGateway:
    """Starts a gateway on `files`, which the test may change; for tests that the shared one does not serve."""

    def start(**changes: Any) -> str:
        parts = settings(files, gateway_config(engine.port, **changes))
        return background.run(stack.enter_async_context(serve_gateway(parts)))

    return start


@pytest.fixture
def audited(files: Path, start_gateway: StartGateway) -> tuple[str, Path]:
    """A gateway whose records go to a folder; its address, and the pod's files."""
    make_trail(files)
    return start_gateway(audit=VOLUME), files


@pytest.fixture(scope="session")
def shared_gateway(
    background: Background, running_engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    parts = settings(pod_files(tmp_path_factory.mktemp("pod")), gateway_config(running_engine.port))
    servers = AsyncExitStack()
    yield background.run(servers.enter_async_context(serve_gateway(parts)))
    background.run(servers.aclose())


@pytest.fixture
def client(shared_gateway: str, engine: Engine) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=shared_gateway, timeout=30) as connected:
        yield connected


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def agent(files: Path, certificate: tuple[Path, Path]) -> Iterator[AgentServer]:
    server = AgentServer(desired("r1"), token="projected")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    (files / "ca.crt").write_bytes(certificate[0].read_bytes())
    (files / "agent-token").write_text("projected\n")
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    serving.start()
    yield server
    server.shutdown()
    server.server_close()

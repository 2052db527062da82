"""A real S3 server (versitygw on a folder), and the real stager as a process in the folders of a pod."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from obstore.store import S3Store

from tests.support.ports import free_port

REPOSITORY = Path(__file__).parents[2]
CACHED = Path.home() / ".cache" / "banktuner" / "bin" / "versitygw"
ACCESS_KEY = "banktuner-test"
SECRET_KEY = "banktuner-test-secret"
BUCKET = "bank"


def find_versitygw() -> str:
    """The S3 server's program, or a failure that says how to get it."""
    found = shutil.which("versitygw") or (str(CACHED) if CACHED.exists() else None)
    if found is None:
        pytest.fail(
            "no versitygw on the PATH or in ~/.cache/banktuner/bin: run `make up`, or"
            " `cd tests/cluster/tools/versitygw && go build -o ~/.cache/banktuner/bin/ "
            "github.com/versity/versitygw/cmd/versitygw`"
        )
    return found


@dataclass
class S3Server:
    """versitygw on a folder; can be killed and started again on the same port."""

    program: str
    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, secret_key: str = SECRET_KEY) -> None:
        (self.folder / BUCKET).mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": secret_key}
        command = [self.program, "--port", f"127.0.0.1:{self.port}", "--quiet", "posix", str(self.folder)]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        pytest.fail("versitygw did not start within 20 s")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def secret(self, prefix: str, **changes: str) -> dict[str, str]:
        """The environment that `envFrom` makes of a Secret with this server's keys; a change to "" leaves a key out."""
        keys = {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": "us-east-1",
            **changes,
        }
        return {f"{prefix}{name}": value for name, value in keys.items() if value}

    def client(self) -> S3Store:
        return S3Store(
            BUCKET,
            endpoint=self.endpoint,
            access_key_id=ACCESS_KEY,
            secret_access_key=SECRET_KEY,
            region="us-east-1",
            client_options={"allow_http": True},
        )

    def upload(self, prefix: str, files: dict[str, bytes]) -> None:
        client = self.client()
        for path, content in files.items():
            client.put(f"{prefix}/{path}", content)

    def read(self, key: str) -> bytes:
        return bytes(self.client().get(key).bytes())

    def block(self, key: str) -> Path:
        """Refuse to store this object until the folder that this gives is removed, so that an upload stands there."""
        place = self.folder / BUCKET / key / "in-the-way"
        place.mkdir(parents=True)
        return place.parent

    def keys(self, prefix: str) -> list[str]:
        return sorted(meta["path"] for batch in self.client().list(prefix) for meta in batch)


@dataclass
class Pod:
    """One pod's folders, and the stager's commands as processes in them."""

    root: Path
    environment: dict[str, str]
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for path in (self.config, self.work, self.control):
            path.mkdir(parents=True, exist_ok=True)

    @property
    def config(self) -> Path:
        return self.root / "etc"

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def control(self) -> Path:
        return self.work / "control"

    @property
    def termination_log(self) -> Path:
        return self.root / "termination-log"

    @property
    def log(self) -> Path:
        return self.root / "log"

    def start(self, command: str, *arguments: str) -> subprocess.Popen[str]:
        places = {
            "--config-dir": self.config,
            "--work-dir": self.work,
            "--token-file": self.root / "token",
            "--termination-log": self.termination_log,
        }
        options = [text for name, path in places.items() for text in (name, str(path))]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY / "operator"), **self.environment}
        with self.log.open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "banktuner_stager", command, *options, *arguments],
                env=environment,
                stdout=log,
                stderr=log,
                text=True,
            )
        self.processes.append(process)
        return process

    def run(self, command: str, timeout: float = 60) -> int:
        return self.start(command).wait(timeout)

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()


def wait_for(condition, seconds: float = 30, what: str = "condition"):
    """The first true value of `condition()`; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    pytest.fail(f"{what} did not come within {seconds} s")

"""The agent API: bodies, paths and the one client, on the standard library so that every image has it."""

import http.client
import json
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field

from banktuner_api import names
from banktuner_api.common import ApiModel, Json
from banktuner_api.finetunejob_status import CheckpointStatus, Phase, TrainerStatus
from banktuner_api.serving import DesiredState, Observed


class Report(ApiModel):
    """Progress of a training pod. Kubeflow Trainer's body is the part `trainerStatus`; the rest is ours."""

    trainer_status: TrainerStatus | None = None
    attempt: Annotated[int, Field(ge=1)] | None = None
    phase: Phase | None = None
    checkpoint: CheckpointStatus | None = None
    remaining_seconds: Annotated[int, Field(ge=0)] | None = None
    """What the phase still takes, of a container that does not train; left out: not known. Read beside an attempt,
    and only where `trainerStatus`, which has the trainer's own estimate, is left out."""
    reason: Annotated[str, Field(max_length=63)] = ""
    message: Annotated[str, Field(max_length=1024)] = ""


def status_path(namespace: str, name: str) -> str:
    """Where a training pod reports to."""
    return f"/v1/finetunejobs/{namespace}/{name}/status"


def desired_path(namespace: str, name: str) -> str:
    """Where a serving pod asks what it should serve."""
    return f"/v1/bankingmodels/{namespace}/{name}/desired"


def observed_path(namespace: str, name: str) -> str:
    """Where a serving pod tells what it serves."""
    return f"/v1/bankingmodels/{namespace}/{name}/observed"


class AgentError(Exception):
    """The agent API could not be reached or did not accept the call. The message carries no token."""


class AgentClient:
    """Blocking client; one connection a call. Methods raise AgentError and nothing else."""

    def __init__(
        self, url: str, token_file: Path = names.TOKEN_FILE, ca_file: Path = names.CONFIG_DIR / names.CA_KEY
    ) -> None:
        """`url` is https://host[:port]; both files are read at each call, because the kubelet renews them."""
        self._address = urlsplit(url)
        self._token_file = token_file
        self._ca_file = ca_file

    def report(self, namespace: str, name: str, report: Report) -> None:
        """Send progress of a FineTuneJob."""
        self._call("POST", status_path(namespace, name), report.to_json(), timeout=5)

    def observed(self, namespace: str, name: str, observed: Observed) -> None:
        """Send what a pod of a BankingModel serves."""
        self._call("POST", observed_path(namespace, name), observed.to_json(), timeout=10)

    def desired(self, namespace: str, name: str, seen: str, wait_seconds: int) -> DesiredState | None:
        """What to serve, as soon as it differs from revision `seen`; None when the wait is over."""
        path = f"{desired_path(namespace, name)}?seen={seen}&wait={wait_seconds}"
        status, body = self._call("GET", path, None, timeout=wait_seconds + 10)
        return None if status == http.client.NOT_MODIFIED else DesiredState.model_validate_json(body)

    def _call(self, method: str, path: str, body: Json | None, timeout: float) -> tuple[int, bytes]:
        try:
            return self._request(method, path, body, timeout)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise AgentError(f"{method} {path.partition('?')[0]}: {type(error).__name__}: {error}") from error

    def _request(self, method: str, path: str, body: Json | None, timeout: float) -> tuple[int, bytes]:
        context = ssl.create_default_context(cafile=str(self._ca_file))
        connection = http.client.HTTPSConnection(
            self._address.hostname or "", self._address.port or names.AGENT_PORT, timeout=timeout, context=context
        )
        try:
            connection.request(method, path, None if body is None else json.dumps(body), self._headers())
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        if response.status not in (http.client.OK, http.client.NOT_MODIFIED):
            raise AgentError(f"{method} {path.partition('?')[0]}: status {response.status}: {content[:200]!r}")
        return response.status, content

    def _headers(self) -> Mapping[str, str]:
        token = self._token_file.read_text(encoding="utf-8").strip()
        return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

"""Routes of the agent API (docs/design/0001), on aiohttp with TLS."""

import logging
import ssl
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol

from aiohttp import web
from pydantic import ValidationError

from banktuner_api import names
from banktuner_api.agent import Report
from banktuner_api.common import Json
from banktuner_api.serving import DesiredState, Observed
from banktuner_operator.agentapi import progress
from banktuner_operator.agentapi.hub import Hub
from banktuner_operator.agentapi.identity import Caller, Identities, RefusedError
from banktuner_operator.agentapi.writes import StatusWrites, Target
from banktuner_operator.cluster.client import ApiError, Client
from banktuner_operator.cluster.execute import instance_manager
from banktuner_operator.manifests.configmap import serving_name
from banktuner_operator.manifests.metadata import Owner
from banktuner_operator.plan.conditions import is_true
from banktuner_operator.plan.finetune import controller_uid
from banktuner_operator.plan.types import timestamp

log = logging.getLogger(__name__)
MAX_BODY_BYTES = 256 * 1024
MAX_WAIT_SECONDS = 60.0
RECHECK_SECONDS = 5.0


class Listening(Protocol):
    """Where the server listens, and the folder with tls.crt and tls.key."""

    @property
    def tls(self) -> Path: ...
    @property
    def agent_host(self) -> str: ...
    @property
    def agent_port(self) -> int: ...


class AgentApi:
    """The handlers."""

    def __init__(self, client: Client, hub: Hub, clock: Callable[[], datetime]) -> None:
        """`hub` wakes those who wait for desired adapters."""
        self._client = client
        self._hub = hub
        self._clock = clock
        self._identities = Identities(client, clock)
        self.writes = StatusWrites(client)

    def application(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_errors])
        model = "/v1/bankingmodels/{namespace}/{name}"
        app.add_routes(
            [
                web.post("/v1/finetunejobs/{namespace}/{name}/status", self.report),
                web.get(f"{model}/desired", self.desired),
                web.post(f"{model}/observed", self.observed),
            ]
        )
        return app

    async def report(self, request: web.Request) -> web.Response:
        """Progress of a training pod into status.trainerStatus, status.activity and status.checkpoint."""
        _, owner = await self._speaks_for(request, "FineTuneJob")
        report = Report.model_validate_json(await request.read())
        if is_true(owner, "Complete") or is_true(owner, "Failed"):
            return web.json_response({})  # a finished job does not change any more
        now = timestamp(self._clock())
        written = {key: value for key, value in owner.get("status", {}).items() if key in progress.FIELDS}
        before = self.writes.told(_target(owner, names.AGENT_FIELD_MANAGER), written)
        self._put(owner, names.AGENT_FIELD_MANAGER, progress.told(report, before, now), before)
        return web.json_response({})

    async def observed(self, request: web.Request) -> web.Response:
        """What an engine pod serves into status.instances."""
        caller, owner = await self._speaks_for(request, "BankingModel")
        told = Observed.model_validate_json(await request.read())
        if told.pod != caller.pod:
            raise RefusedError(403, f"pod {caller.pod} cannot speak for another pod")
        self._put(owner, instance_manager(caller.pod), {"instances": [told.to_json()]})
        return web.json_response({})

    async def desired(self, request: web.Request) -> web.Response:
        """The desired state, as soon as its revision is not `seen`; 304 after `wait` seconds."""
        _, owner = await self._speaks_for(request, "BankingModel")
        seen, wait = request.query.get("seen", ""), _seconds(request.query.get("wait", "0"))
        started = self._clock()
        while True:
            state = await self._state(owner)
            if state and state.revision != seen:
                return web.json_response(state.to_json())
            left = wait - (self._clock() - started).total_seconds()
            if left <= 0:
                return web.Response(status=304) if state else web.Response(status=503, text="not decided yet")
            meta = owner["metadata"]
            await self._hub.wait(meta["namespace"], meta["name"], min(left, RECHECK_SECONDS))

    async def _state(self, owner: Json) -> DesiredState | None:
        identity = Owner.of(owner)
        live = await self._client.get("ConfigMap", identity.namespace, serving_name(identity))
        if live is None or controller_uid(live) != identity.uid:
            return None
        return DesiredState.model_validate_json(live["data"][names.DESIRED_KEY])

    async def _speaks_for(self, request: web.Request, kind: str) -> tuple[Caller, Json]:
        """The calling pod and the object in the path that it belongs to."""
        caller = await self._identities.caller(request.headers.get("Authorization", ""))
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        owner = await self._client.get(kind, namespace, name) if namespace == caller.namespace else None
        if owner is None or owner["metadata"]["uid"] != caller.root_uid:
            raise RefusedError(403, f"the pod does not belong to {kind} {namespace}/{name}")
        return caller, owner

    def _put(self, owner: Json, manager: str, status: Json, written: Json | None = None) -> None:
        meta = owner["metadata"]
        identity = {"name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]}
        body = {"apiVersion": names.API_VERSION, "kind": owner["kind"], "metadata": identity, "status": status}
        self.writes.put(_target(owner, manager), body, written)


def _target(owner: Json, manager: str) -> Target:
    return Target(owner["kind"], owner["metadata"]["namespace"], owner["metadata"]["name"], manager)


def _seconds(text: str) -> float:
    try:
        wait = float(text)
    except ValueError as error:
        raise web.HTTPUnprocessableEntity(text="wait: a number of seconds is needed") from error
    return min(max(wait, 0.0), MAX_WAIT_SECONDS)


@web.middleware
async def _errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except RefusedError as error:
        return web.json_response({"message": str(error)}, status=error.status)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        return web.json_response({"message": problems}, status=422)
    except ApiError as error:
        log.warning("%s %s: %s", request.method, request.path, error)
        return web.json_response({"message": "the API server did not answer"}, status=503)


async def start(client: Client, where: Listening, hub: Hub, clock: Callable[[], datetime]) -> web.AppRunner:
    """Listen; the caller cleans the runner up."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(where.tls / "tls.crt", where.tls / "tls.key")
    runner = web.AppRunner(AgentApi(client, hub, clock).application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, where.agent_host, where.agent_port, ssl_context=context).start()
    return runner

"""Calls to the API server with plain dicts, on the official client's asyncio half."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from kubernetes.aio import client as kube
from kubernetes.aio import config as kube_config

from banktuner_api import names
from banktuner_api.common import Json

TIMEOUT_SECONDS = 30.0
APPLY_PATCH = "application/apply-patch+yaml"


@dataclass(frozen=True)
class Kind:
    """Where the API server keeps a kind."""

    api_version: str
    kind: str
    plural: str


KINDS = {
    kind.kind: kind
    for kind in (
        Kind(names.API_VERSION, "FineTuneJob", "finetunejobs"),
        Kind(names.API_VERSION, "BankingModel", "bankingmodels"),
        Kind("batch/v1", "Job", "jobs"),
        Kind("v1", "Pod", "pods"),
        Kind("v1", "ConfigMap", "configmaps"),
        Kind("v1", "Service", "services"),
        Kind("v1", "Event", "events"),
        Kind("apps/v1", "Deployment", "deployments"),
        Kind("apps/v1", "ReplicaSet", "replicasets"),
        Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
        Kind("coordination.k8s.io/v1", "Lease", "leases"),
    )
}


class ApiError(Exception):
    """The API server refused a call, or did not answer (status 0)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class Client:
    """One connection pool. Every method raises ApiError."""

    def __init__(self, api: kube.ApiClient) -> None:
        """Take over an ApiClient; see `connect`."""
        self._api = api

    @classmethod
    async def connect(cls, kubeconfig: str | None = None) -> "Client":
        """As this file says; without one as a pod, or as KUBECONFIG said when the process started."""
        configuration = kube.Configuration()
        if kubeconfig:
            await kube_config.load_kube_config(kubeconfig, client_configuration=configuration)  # type: ignore[no-untyped-call]
            return cls(kube.ApiClient(configuration))
        try:
            kube_config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        except kube_config.ConfigException:
            await kube_config.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        return cls(kube.ApiClient(configuration))

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._api.close()  # type: ignore[no-untyped-call]

    async def get(self, kind: str, namespace: str, name: str) -> Json | None:
        """A live object, or None."""
        try:
            return await self.call("GET", path(kind, namespace, name))
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    async def list(self, kind: str, namespace: str | None, **query: str) -> list[Json]:
        """Live objects; `query` such as labelSelector="a=b". Items carry their apiVersion and kind."""
        found = await self.call("GET", path(kind, namespace), query)
        entry = KINDS[kind]
        return [{"apiVersion": entry.api_version, "kind": kind} | item for item in found["items"]]

    async def apply(self, body: Json, manager: str = names.FIELD_MANAGER, subresource: str = "") -> Json:
        """Server-side apply with force; the object as it is afterwards."""
        meta = body["metadata"]
        where = path(body["kind"], meta.get("namespace"), meta["name"]) + (f"/{subresource}" if subresource else "")
        query = {"fieldManager": manager, "force": "true", "fieldValidation": "Strict"}
        return await self.call("PATCH", where, query, body, APPLY_PATCH)

    async def create(self, body: Json) -> Json:
        """POST a new object."""
        return await self.call("POST", path(body["kind"], body["metadata"].get("namespace")), {}, body)

    async def replace(self, body: Json) -> Json:
        """PUT; refused with 409 when metadata.resourceVersion is not the live one."""
        meta = body["metadata"]
        return await self.call("PUT", path(body["kind"], meta.get("namespace"), meta["name"]), {}, body)

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """Delete exactly the object with this uid; a vanished or replaced one is left alone."""
        options = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        try:
            await self.call("DELETE", path(kind, namespace, name), {}, options)
        except ApiError as error:
            if error.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                raise

    async def call(
        self,
        method: str,
        where: str,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        content_type: str = "application/json",
    ) -> Json:
        """One call; the answer as JSON."""
        url = where + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json", "Content-Type": content_type}
        try:
            # The body stays out of it: it is plain JSON, and cleaning it costs more than the call.
            made = await self._api.param_serialize(method, url, header_params=headers, auth_settings=["BearerToken"])
            response = await self._api.call_api(*made[:3], body=body, _request_timeout=TIMEOUT_SECONDS)
            answer: Json = await response.response.json(content_type=None)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise ApiError(0, f"{method} {where}: {type(error).__name__}: {error}") from error
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise ApiError(response.status, f"{method} {where}: {_message(answer)}")
        return answer


def _message(answer: Any) -> str:
    return str(answer.get("message", answer)) if isinstance(answer, dict) else str(answer)


def path(kind: str, namespace: str | None, name: str | None = None) -> str:
    """URL path of a kind's collection, or of one object."""
    entry = KINDS[kind]
    root = "/api/v1" if entry.api_version == "v1" else f"/apis/{entry.api_version}"
    inside = f"/namespaces/{quote(namespace)}" if namespace else ""
    return f"{root}{inside}/{entry.plural}" + (f"/{quote(name)}" if name else "")

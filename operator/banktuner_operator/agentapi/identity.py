"""Who calls: a projected token names a pod; the pod's owners must end at the object it speaks for."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from banktuner_api import names
from banktuner_api.common import Json
from banktuner_operator.cluster.client import Client

CACHE_SECONDS = 60
CACHE_SIZE = 4096
POD_NAME = "authentication.kubernetes.io/pod-name"
POD_UID = "authentication.kubernetes.io/pod-uid"
_SERVICE_ACCOUNT = "system:serviceaccount:"


class RefusedError(Exception):
    """The caller is not who it must be. `status` is 401 or 403."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Caller:
    """A pod that proved itself. `root_uid`: uid of the object at the end of its chain of controllers."""

    namespace: str
    pod: str
    root_uid: str


class Identities:
    """Reviews tokens; remembers each answer for a minute at most."""

    def __init__(self, client: Client, clock: Callable[[], datetime]) -> None:
        """`clock` is the process's."""
        self._client = client
        self._clock = clock
        self._known: dict[str, tuple[datetime, Caller]] = {}

    async def caller(self, authorization: str) -> Caller:
        """The pod behind an Authorization header. Raises RefusedError, ApiError."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise RefusedError(401, "a bearer token is needed")
        fingerprint = sha256(token.encode()).hexdigest()
        until, caller = self._known.get(fingerprint, (None, None))
        if until and caller and until > self._clock():
            return caller
        caller = await self._review(token)
        self._remember(fingerprint, caller)
        return caller

    def _remember(self, fingerprint: str, caller: Caller) -> None:
        now = self._clock()
        if len(self._known) >= CACHE_SIZE:
            self._known = {key: entry for key, entry in self._known.items() if entry[0] > now}
        if len(self._known) < CACHE_SIZE:
            self._known[fingerprint] = (now + timedelta(seconds=CACHE_SECONDS), caller)

    async def _review(self, token: str) -> Caller:
        spec = {"token": token, "audiences": [names.TOKEN_AUDIENCE]}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        review = await self._client.call("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {}, body)
        status = review.get("status", {})
        if not status.get("authenticated") or names.TOKEN_AUDIENCE not in status.get("audiences", []):
            raise RefusedError(401, "the token is not valid for this API")
        return await self._pod(status["user"])

    async def _pod(self, user: Json) -> Caller:
        extra, username = user.get("extra", {}), user.get("username", "")
        pod_names, pod_uids = extra.get(POD_NAME, []), extra.get(POD_UID, [])
        if not username.startswith(_SERVICE_ACCOUNT) or len(pod_names) != 1 or len(pod_uids) != 1:
            raise RefusedError(403, "the token is not bound to a pod")
        namespace = username.removeprefix(_SERVICE_ACCOUNT).partition(":")[0]
        pod = await self._client.get("Pod", namespace, pod_names[0])
        if pod is None or pod["metadata"]["uid"] != pod_uids[0]:
            raise RefusedError(403, "the token's pod is gone")
        return Caller(namespace, pod_names[0], await self._root(namespace, pod))

    async def _root(self, namespace: str, live: Json) -> str:
        """Follow controllers (pod, Job or ReplicaSet, Deployment) up to something that is not one of these."""
        for _ in range(3):
            reference = _controller(live)
            if reference is None:
                break
            if reference["kind"] not in ("Job", "ReplicaSet", "Deployment"):
                return str(reference["uid"])
            parent = await self._client.get(reference["kind"], namespace, reference["name"])
            if parent is None or parent["metadata"]["uid"] != reference["uid"]:
                break
            live = parent
        raise RefusedError(403, "the pod does not belong to an object of banktuner")


def _controller(live: Json) -> Json | None:
    references = live["metadata"].get("ownerReferences", [])
    return next((reference for reference in references if reference.get("controller")), None)

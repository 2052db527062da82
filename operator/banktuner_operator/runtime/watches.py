"""kopf's watches: each event wakes the key of the object it concerns, and decides nothing."""

import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import kopf

from banktuner_api import names
from banktuner_api.common import Json
from banktuner_operator.cluster.gather import referenced_jobs
from banktuner_operator.cluster.reconcile import Key

OURS = {"FineTuneJob": "finetunejobs", "BankingModel": "bankingmodels"}
CHILDREN = (
    ("batch", "v1", "jobs"),
    ("", "v1", "pods"),
    ("", "v1", "configmaps"),
    ("", "v1", "services"),
    ("apps", "v1", "deployments"),
    ("networking.k8s.io", "v1", "networkpolicies"),
)
SERVER_TIMEOUT_SECONDS = 300
CLIENT_TIMEOUT_SECONDS = 310
LOGIN_SECONDS = 600
"""The kubelet renews the token's file long before the token ends."""
ERROR_BACKOFFS = (0.5, 1, 2, 3, 5, 5, 5, 5)


class Wakeups:
    """Turns events into keys. `wake` gets a key; `gone` gets the key of a deleted object; `job` each FineTuneJob."""

    def __init__(
        self,
        wake: Callable[[Key], None],
        gone: Callable[[Key], None],
        job: Callable[[str | None, Json], None],
    ) -> None:
        """All must return at once. `job` gets the event's type and the object."""
        self._wake = wake
        self._gone = gone
        self._job = job
        self._dependents: dict[Key, set[Key]] = defaultdict(set)
        self._references: dict[Key, set[Key]] = {}

    def resource(self, kind: str, event_type: str | None, body: Json) -> None:
        """An event of one of our kinds: wakes it and those that name it."""
        key = Key(kind, body["metadata"]["namespace"], body["metadata"]["name"])
        deleted = event_type == "DELETED"
        self._index(key, set() if deleted else _references(key, body))
        if kind == "FineTuneJob":
            self._job(event_type, body)
        if deleted:
            self._gone(key)
        else:
            self._wake(key)
        for dependent in self._dependents.get(key, set()):
            self._wake(dependent)

    def child(self, body: Json) -> None:
        """An event of something that one of our objects owns, directly or not."""
        meta = body["metadata"]
        labels = meta.get("labels", {})
        kind, name = labels.get(names.LABEL_OWNER_KIND), labels.get(names.LABEL_INSTANCE)
        if kind in OURS and name:
            self._wake(Key(kind, meta["namespace"], name))

    def _index(self, key: Key, named: set[Key]) -> None:
        for old in self._references.pop(key, set()) - named:
            self._dependents[old].discard(key)
        if named:
            self._references[key] = named
        for target in named:
            self._dependents[target].add(key)


def _references(key: Key, body: Json) -> set[Key]:
    return {Key("FineTuneJob", key.namespace, name) for name in referenced_jobs(body)}


def registry(wakeups: Wakeups) -> kopf.OperatorRegistry:
    """Handlers of events, and of nothing else: kopf then writes nothing to any object."""
    made = kopf.OperatorRegistry()

    kopf.on.login(registry=made)(login)
    for kind, plural in OURS.items():
        _on_resource(made, kind, plural, wakeups)
    for group, version, plural in CHILDREN:
        _on_child(made, (group, version, plural), wakeups)
    return made


def login(**arguments: Any) -> kopf.ConnectionInfo | None:
    """As a pod or by kubeconfig. A pod calls the API server by address: watching must not depend on cluster DNS."""
    connection = kopf.login_with_service_account(**arguments)
    if connection is None:
        return kopf.login_with_kubeconfig(**arguments)
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    until = datetime.now(UTC) + timedelta(seconds=LOGIN_SECONDS)
    return replace(connection, server=server, expiration=until)


def _on_resource(made: kopf.OperatorRegistry, kind: str, plural: str, wakeups: Wakeups) -> None:
    @kopf.on.event(names.GROUP, names.VERSION, plural, registry=made, id=plural)
    async def changed(event: kopf.RawEvent, **_: Any) -> None:
        wakeups.resource(kind, event["type"], dict(event["object"]))


def _on_child(made: kopf.OperatorRegistry, resource: tuple[str, str, str], wakeups: Wakeups) -> None:
    @kopf.on.event(*resource, registry=made, id=resource[2])
    async def changed(event: kopf.RawEvent, **_: Any) -> None:
        wakeups.child(dict(event["object"]))


def settings() -> kopf.OperatorSettings:
    """No events, no scanning, no peering; watches that notice when they are dead."""
    made = kopf.OperatorSettings()
    made.posting.enabled = False
    made.scanning.disabled = True
    made.peering.standalone = True
    made.watching.server_timeout = SERVER_TIMEOUT_SECONDS
    made.watching.client_timeout = CLIENT_TIMEOUT_SECONDS
    made.networking.error_backoffs = ERROR_BACKOFFS
    for group, version, plural in CHILDREN:
        made.watching.label_selectors[group, version, plural] = f"{names.LABEL_MANAGED_BY}={names.MANAGED_BY}"
    return made


async def watch(wakeups: Wakeups, namespaces: list[str], stop: Any) -> None:
    """Watch until `stop` (an asyncio.Event) is set, or a signal asks for the end."""
    await kopf.operator(
        registry=registry(wakeups),
        settings=settings(),
        standalone=True,
        clusterwide=not namespaces,
        namespaces=namespaces,
        stop_flag=stop,
    )

"""Carries a plan out: apply, delete, status, events, in this order. Every step may be the last one before a crash."""

import hashlib
from collections.abc import Callable
from datetime import datetime

from banktuner_api import names
from banktuner_api.common import Json
from banktuner_operator.cluster.client import ApiError, Client
from banktuner_operator.plan.changes import contains
from banktuner_operator.plan.conditions import truncate
from banktuner_operator.plan.finetune import controller_uid
from banktuner_operator.plan.types import Event, Plan, timestamp

MAX_EVENTS = 5
Step = Callable[[str], None]
"""Told before each write what it will be; tests end the process there."""


def instance_manager(pod: str) -> str:
    """Field manager of what one engine pod told."""
    return f"{names.AGENT_FIELD_MANAGER}-{pod}"[:128]


async def conflicts(client: Client, owner: Json, plan: Plan) -> tuple[tuple[Json, ...], tuple[str, ...]]:
    """The wanted children, bound to the live ones by uid, and names that others hold as "Kind/name"."""
    held, ours = [], []
    for child in plan.apply:
        meta = child["metadata"]
        live = await client.get(child["kind"], meta["namespace"], meta["name"])
        if live is None:
            ours.append(child)
        elif controller_uid(live) == owner["metadata"]["uid"]:
            # With its uid in the body, an object made anew in between is refused instead of taken over.
            ours.append(child | {"metadata": meta | {"uid": live["metadata"]["uid"]}})
        else:
            held.append(f"{child['kind']}/{meta['name']}")
    return tuple(ours), tuple(held)


async def children(client: Client, plan: Plan, step: Step) -> None:
    """Apply and delete."""
    for child in plan.apply:
        step(f"apply {child['kind']}")
        await client.apply(child)
    for gone in plan.delete:
        step(f"delete {gone.kind}")
        await client.delete(gone.kind, gone.namespace, gone.name, gone.uid)


async def status(client: Client, owner: Json, plan: Plan, step: Step) -> None:
    """Write status if it differs, then the events about it."""
    for pod in plan.forget_instances:
        step("forget instance")
        await client.apply(_status_body(owner, {}), instance_manager(pod), "status")
    if plan.status is None or not _status_differs(owner, plan.status):
        return
    step("status")
    await client.apply(_status_body(owner, plan.status), subresource="status")


def _status_body(owner: Json, content: Json) -> Json:
    meta = owner["metadata"]
    identity = {"name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]}
    return {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "metadata": identity, "status": content}


def _status_differs(owner: Json, wanted: Json) -> bool:
    live = owner.get("status", {})
    return not contains(live, wanted) or bool(_own_status_fields(owner) - wanted.keys())


def _own_status_fields(owner: Json) -> set[str]:
    """Top-level fields of status that we wrote earlier."""
    for entry in owner["metadata"].get("managedFields", []):
        if entry["manager"] == names.FIELD_MANAGER and entry.get("subresource") == "status":
            return {key.removeprefix("f:") for key in entry["fieldsV1"].get("f:status", {}) if key.startswith("f:")}
    return set()


async def events(client: Client, owner: Json, plan: Plan, now: datetime, step: Step) -> None:
    """Tell what changed, at most MAX_EVENTS. An event that cannot be written is not worth a retry."""
    for event in plan.events[:MAX_EVENTS]:
        step("event")
        try:
            await client.create(_event(owner, event, now))
        except ApiError as error:
            if error.status not in (403, 409, 422):
                raise


def _event(owner: Json, event: Event, now: datetime) -> Json:
    """Its name is made of what it says and of the object's version, so that a repeated write is one event."""
    meta = owner["metadata"]
    seed = f"{meta['uid']}/{meta['resourceVersion']}/{event.reason}/{event.message}"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{meta['name']}.{hashlib.sha256(seed.encode()).hexdigest()[:16]}",
            "namespace": meta["namespace"],
        },
        "involvedObject": {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": meta["name"],
            "namespace": meta["namespace"],
            "uid": meta["uid"],
            "resourceVersion": meta["resourceVersion"],
        },
        "type": event.type,
        "reason": event.reason,
        "message": truncate(event.message),
        "source": {"component": "banktuner"},
        "reportingComponent": "banktuner.dev/operator",
        "firstTimestamp": timestamp(now),
        "lastTimestamp": timestamp(now),
        "count": 1,
    }

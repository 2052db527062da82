"""Reads everything that a decision needs, live, and keeps what the owner's uid vouches for."""

import asyncio

from banktuner_api import names
from banktuner_api.common import Json
from banktuner_operator.cluster.client import Client
from banktuner_operator.plan.finetune import controller_uid
from banktuner_operator.plan.types import FineTuneSnapshot, ModelSnapshot

MODEL_CHILDREN = ("ConfigMap", "Deployment", "Service", "NetworkPolicy", "Job")


async def fine_tune_job(client: Client, namespace: str, name: str) -> FineTuneSnapshot | None:
    """A FineTuneJob and what it owns; None where it is gone."""
    owner = await client.get("FineTuneJob", namespace, name)
    if owner is None:
        return None
    jobs, config_maps, policies = await asyncio.gather(
        *(_children(client, kind, owner) for kind in ("Job", "ConfigMap", "NetworkPolicy"))
    )
    pods = await _pods(client, owner, {job["metadata"]["uid"] for job in jobs})
    spec = owner["spec"]
    return FineTuneSnapshot(
        owner=owner,
        jobs=tuple(jobs),
        pods=tuple(pods),
        config_maps=tuple(config_maps),
        network_policies=tuple(policies),
        services=tuple(await _children(client, "Service", owner)) if spec.get("nodes", 1) > 1 else (),
        job_events=tuple(await _warnings(client, jobs)) if len(pods) < spec.get("nodes", 1) else (),
        base=await _named(client, namespace, spec["model"].get("fineTuneJob")),
        promoted=await _named(client, namespace, spec.get("evaluation", {}).get("promoted")),
    )


async def _named(client: Client, namespace: str, reference: Json | None) -> Json | None:
    return await client.get("FineTuneJob", namespace, reference["name"]) if reference else None


async def banking_model(client: Client, namespace: str, name: str) -> ModelSnapshot | None:
    """A BankingModel, what it owns, and the FineTuneJobs that it names; None where it is gone."""
    owner = await client.get("BankingModel", namespace, name)
    if owner is None:
        return None
    lists = await asyncio.gather(*(_children(client, kind, owner) for kind in MODEL_CHILDREN))
    children = [child for found in lists for child in found]
    deployments = {child["metadata"]["uid"] for child in children if child["kind"] == "Deployment"}
    named = referenced_jobs(owner)
    live = await asyncio.gather(*(client.get("FineTuneJob", namespace, job) for job in named))
    replica_sets = await _owned(client, "ReplicaSet", owner, deployments)
    indexing = [child for child in children if child["kind"] == "Job"]
    pods = await _pods(client, owner, {entry["metadata"]["uid"] for entry in (*replica_sets, *indexing)})
    late = [pod for pod in pods if not _is_ready(pod)]
    runs = {job["metadata"]["uid"] for job in indexing}
    return ModelSnapshot(
        owner=owner,
        children=tuple(children),
        pods=tuple(pods),
        jobs={job: found for job, found in zip(named, live, strict=True) if found},
        warnings=tuple(
            await _warnings(client, [*replica_sets, *(pod for pod in late if controller_uid(pod) not in runs)])
        ),
        index_warnings=tuple(await _warnings(client, [job for job in indexing if not _has_ended(job)])),
    )


def referenced_jobs(owner: Json) -> list[str]:
    """Names of the FineTuneJobs that an object of ours names."""
    spec = owner["spec"]
    classifier = spec.get("gateway", {}).get("scope", {}).get("classifier", {})
    sources = [spec.get("model", {}), *spec.get("adapters", []), classifier]
    references = [source.get("fineTuneJob") for source in sources]
    references.append(spec.get("evaluation", {}).get("promoted"))
    return sorted({reference["name"] for reference in references if reference})


async def _children(client: Client, kind: str, owner: Json) -> list[Json]:
    return await _owned(client, kind, owner, {owner["metadata"]["uid"]})


async def _pods(client: Client, owner: Json, controllers: set[str]) -> list[Json]:
    return await _owned(client, "Pod", owner, controllers) if controllers else []


async def _owned(client: Client, kind: str, owner: Json, controllers: set[str]) -> list[Json]:
    """The label finds them quickly; the controller's uid decides."""
    meta = owner["metadata"]
    selector = f"{names.LABEL_OWNER_UID}={meta['uid']}"
    found = await client.list(kind, meta["namespace"], labelSelector=selector)
    return [child for child in found if controller_uid(child) in controllers]


def _has_ended(job: Json) -> bool:
    conditions = job.get("status", {}).get("conditions", [])
    return any(entry["type"] in ("Complete", "Failed") and entry["status"] == "True" for entry in conditions)


def _is_ready(pod: Json) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


async def _warnings(client: Client, objects: list[Json]) -> list[str]:
    """Message of the newest warning about each object that stops it: a pod not created, a volume not mounted."""
    messages = []
    for live in objects:
        meta = live["metadata"]
        reason = "FailedMount" if live["kind"] == "Pod" else "FailedCreate"
        field = f"involvedObject.uid={meta['uid']},type=Warning,reason={reason}"
        events = await client.list("Event", meta["namespace"], fieldSelector=field)
        newest = max(events, key=lambda event: str(event.get("lastTimestamp") or ""), default=None)
        if newest:
            messages.append(newest.get("message", ""))
    return messages

"""status of a BankingModel: adapters over all pods, conditions from checks."""

from banktuner_api import names
from banktuner_api.bankingmodel import AdapterState, BankingModelSpec, RolloutState
from banktuner_api.common import ConditionStatus, Json
from banktuner_api.handshake import Failure
from banktuner_operator.manifests.gateway import STAGE_GATEWAY
from banktuner_operator.plan import gateway, model_events, rollout, ui, waiting
from banktuner_operator.plan.conditions import false, merge, true
from banktuner_operator.plan.knowledge import NO_KNOWLEDGE
from banktuner_operator.plan.model_view import ModelView, staged, staging_failure
from banktuner_operator.plan.serving import Resolved
from banktuner_operator.plan.types import Check, Plan

STEADY_SECONDS = 60.0


def plan(view: ModelView, apply: tuple[Json, ...] = ()) -> Plan:
    """The plan of a BankingModel with its status."""
    adapters = [_adapter(view, name, part) for name, part in view.adapters.items()]
    rollouts = [rolling.status.to_json() for rolling in view.rollouts.values()]
    checks = _checks(view, adapters)
    owner = view.snapshot.owner
    before = view.status
    generation = owner["metadata"]["generation"]
    ready = sum(entry["state"] == AdapterState.READY for entry in adapters)
    status: Json = {
        "observedGeneration": generation,
        "conditions": merge(before.get("conditions", []), checks, generation, view.now),
        "replicas": view.deployment("engine").get("replicas", 0),
        "readyReplicas": view.deployment("engine").get("readyReplicas", 0),
        "selector": ",".join(f"{key}={value}" for key, value in sorted(view.owner.selector("engine").items())),
        "adaptersReady": f"{ready}/{len(adapters)}",
        "adapters": adapters,
        # While nothing is told to the pods, what became of a version must not be forgotten.
        "rollouts": rollouts if view.desired else before.get("rollouts", []),
        "url": f"http://{names.gateway_service_name(view.owner.name)}.{view.owner.namespace}.svc",
    } | ui.url(view.spec, view.owner)
    if view.engine:
        status["engine"] = str(view.engine)
    return Plan(
        apply=apply,
        status=status,
        events=model_events.of(owner, checks, adapters, status["rollouts"]),
        requeue_after=rollout.seconds_left(view, STEADY_SECONDS),
        forget_instances=_gone(view),
    )


def _gone(view: ModelView) -> tuple[str, ...]:
    """Pods that told something and are no more."""
    alive = {pod["metadata"]["name"] for pod in view.snapshot.pods}
    told = (entry["pod"] for entry in view.snapshot.owner.get("status", {}).get("instances", []))
    return tuple(sorted(pod for pod in told if pod not in alive))


def _adapter(view: ModelView, name: str, part: Resolved) -> Json:
    rolling = view.rollouts.get(name)
    if rolling:
        return _version(view, name, rolling.stable.digest)
    if part.source is None:
        blocked = part.blocked or false("Unknown")
        return {
            "name": name,
            "state": str(part.state),
            "reason": blocked.reason,
            "message": blocked.message,
            "readyReplicas": 0,
            "desiredReplicas": view.spec.replicas if view.spec else 0,
        }
    return _version(view, name, part.source.digest or "")


def _version(view: ModelView, name: str, digest: str) -> Json:
    wanted = view.spec.replicas if view.spec else 0
    told = view.told(name, digest)
    ready = [entry for entry in told if entry["state"] == AdapterState.READY]
    failed = [entry for entry in told if entry["state"] == AdapterState.FAILED]
    state = _state(len(ready), len(failed), wanted)
    words = (failed or [{}])[0] if state != AdapterState.READY else {}
    status: Json = {
        "name": name,
        "digest": digest,
        "state": str(state),
        "reason": words.get("reason", ""),
        "message": words.get("message", ""),
        "readyReplicas": len(ready),
        "desiredReplicas": wanted,
    }
    seconds = [entry["loadSeconds"] for entry in ready if entry.get("loadSeconds") is not None]
    return status | ({"lastLoadSeconds": max(seconds)} if seconds else {})


def _state(ready: int, failed: int, wanted: int) -> AdapterState:
    if failed:
        return AdapterState.FAILED
    return AdapterState.READY if ready and ready >= wanted else AdapterState.LOADING


def _checks(view: ModelView, adapters: list[Json]) -> dict[str, Check]:
    model, engine = _model_ready(view), _engine_ready(view)
    entrance, loaded, knowledge = _gateway_ready(view), _adapters_ready(adapters), _knowledge_ready(view)
    loaded = _rollouts_ready(view) or loaded if loaded.status == ConditionStatus.TRUE else loaded
    page = [_component_ready(view, "ui")] if view.spec and view.spec.ui.enabled else []
    ready = _ready(view, (model, engine, entrance))
    return {
        "Accepted": view.accepted,
        "ModelReady": model,
        "EngineReady": engine,
        "AdaptersReady": loaded,
        "KnowledgeReady": knowledge,
        "GatewayReady": entrance,
        "Ready": ready,
        "Degraded": _degraded(view, ready, (loaded, knowledge, *page)),
    }


def _ready(view: ModelView, parts: tuple[Check, ...]) -> Check:
    missing = next((part for part in (view.accepted, *parts) if part.status != ConditionStatus.TRUE), None)
    return false(missing.reason, missing.message) if missing else true("Serving")


def _model_ready(view: ModelView) -> Check:
    if view.model.source is None:
        return view.model.blocked or false(view.accepted.reason, view.accepted.message)
    if view.deployment("engine").get("readyReplicas", 0):
        return true("Staged", view.model.source.uri)
    pods = view.pods("engine")
    failures = [failure for pod in pods if (failure := staging_failure(pod, "stage-model"))]
    if failures:
        return false(failures[0].reason, _words(failures[0]))
    if any(staged(pod) for pod in pods):
        return true("Staged", view.model.source.uri)
    return false("Staging", f"the pods get {view.model.source.uri}")


def _words(failure: Failure) -> str:
    return f"{failure.field}: {failure.message}" if failure.field else failure.message


def _engine_ready(view: ModelView) -> Check:
    if view.spec and view.spec.replicas == 0:
        return false("ScaledToZero", "spec.replicas is 0")
    return _component_ready(view, "engine")


def _gateway_ready(view: ModelView) -> Check:
    if view.classifier.blocked:
        return view.classifier.blocked
    ready = _component_ready(view, "gateway")
    return ready if ready.status == ConditionStatus.TRUE else _gateway_staging(view) or ready


def _gateway_staging(view: ModelView) -> Check | None:
    """Why the newest pods of the gateway cannot get their classifier or encoder."""
    failures = (staging_failure(pod, STAGE_GATEWAY) for pod in view.pods("gateway"))
    failure = next((found for found in failures if found), None)
    return false(failure.reason, _words(failure)) if failure else None


def _knowledge_ready(view: ModelView) -> Check:
    if view.knowledge:
        return view.knowledge
    if view.spec and view.spec.gateway.knowledge is None:
        return NO_KNOWLEDGE
    return false("WaitingForModel" if view.model.blocked else view.accepted.reason)


def _component_ready(view: ModelView, component: str) -> Check:
    status = view.deployment(component)
    ready = status.get("readyReplicas", 0)
    if ready:
        return true("Available", f"{ready} of {status.get('replicas', 0)} pods are ready")
    if not view.desired:
        return false("WaitingForModel" if view.model.blocked else view.accepted.reason)
    pods = view.pods(component)
    if not pods:
        return waiting.of_no_pod(view.snapshot.warnings)
    blocked = (waiting.of_pod(pod, secret_fields(view.spec)) for pod in pods)
    found = next((check for check in blocked if check), None)
    return found or _mounts(view) or false("Starting", f"the {component} starts")


def _mounts(view: ModelView) -> Check | None:
    """A missing Secret that is mounted shows in events only."""
    for message in view.snapshot.warnings:
        found = waiting.missing_secret(message)
        if found and view.spec:
            return false("SecretMissing", waiting.secret_message(found, secret_fields(view.spec)))
    return None


def secret_fields(spec: BankingModelSpec | None) -> waiting.SecretFields:
    """(field, Secret name) of every Secret that a BankingModel names."""
    if spec is None:
        return []
    named = gateway.secret_fields(spec)
    if spec.model.secret_ref:
        named.append(("spec.model.secretRef", spec.model.secret_ref.name))
    for index, adapter in enumerate(spec.adapters):
        if adapter.secret_ref:
            named.append((f"spec.adapters[{index}].secretRef", adapter.secret_ref.name))
    return named


def _adapters_ready(adapters: list[Json]) -> Check:
    if not adapters:
        return true("NoAdapters", "spec.adapters is empty")
    late = [entry for entry in adapters if entry["state"] != AdapterState.READY]
    if not late:
        return true("Loaded", "every pod proved every adapter")
    worst = next((entry for entry in late if entry["state"] == AdapterState.FAILED), late[0])
    words = "; ".join(f"{entry['name']}: {entry['state']} {entry['message']}".strip() for entry in late)
    return false(worst["reason"] or str(worst["state"]), words)


def _rollouts_ready(view: ModelView) -> Check | None:
    """What is told of new versions where every version that answers is loaded; None: there are none."""
    rollouts = [rolling.status for rolling in view.rollouts.values()]
    if not rollouts:
        return None
    words = "; ".join(f"{entry.name}: {entry.state} {entry.message}" for entry in rollouts)
    stuck = [entry for entry in rollouts if entry.state in (RolloutState.WAITING, RolloutState.ROLLED_BACK)]
    worst = next((entry for entry in stuck if entry.state == RolloutState.ROLLED_BACK), None)
    if worst:
        return false("RolledBack", words)
    return false(stuck[0].reason, words) if stuck else true("RollingOut", words)


def _degraded(view: ModelView, ready: Check, others: tuple[Check, ...]) -> Check:
    if ready.status != ConditionStatus.TRUE or view.spec is None:
        return false("NotServing")
    running = view.deployment("engine").get("readyReplicas", 0)
    if running < view.spec.replicas:
        return true("FewerReplicas", f"{running} of {view.spec.replicas} engine pods are ready")
    late = next((check for check in others if check.status != ConditionStatus.TRUE), _gateway_staging(view))
    return true(late.reason, late.message) if late else false("AsSpecified")

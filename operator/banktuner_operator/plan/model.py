"""BankingModel: from what was seen to what to do."""

import json
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import ValidationError

from banktuner_api import names
from banktuner_api.bankingmodel import AdapterState, BankingModelSpec, Engine
from banktuner_api.common import Json
from banktuner_api.serving import DesiredAdapter, DesiredState, GatewayConfig
from banktuner_operator.manifests import configmap, deployment, networkpolicy, nginx, service
from banktuner_operator.manifests import gateway as manifest
from banktuner_operator.manifests.engine import EngineSetup
from banktuner_operator.manifests.gateway import GatewaySetup
from banktuner_operator.manifests.index_job import IndexSetup
from banktuner_operator.manifests.metadata import Owner, digest, stamped
from banktuner_operator.plan import changes, engine_support, gateway, knowledge, model_status, rollout, serving, ui
from banktuner_operator.plan.conditions import false
from banktuner_operator.plan.finetune import invalid
from banktuner_operator.plan.model_view import ModelView
from banktuner_operator.plan.serving import Before, Resolved, Rolling
from banktuner_operator.plan.types import Check, ModelSnapshot, Plan
from banktuner_operator.settings import Profile, Settings

LONGEST_ANSWER = 256
"""Tokens."""


@dataclass(frozen=True)
class _Case:
    """One BankingModel under decision."""

    snapshot: ModelSnapshot
    spec: BankingModelSpec
    owner: Owner
    settings: Settings
    engine: Engine


def plan_banking_model(snapshot: ModelSnapshot, now: datetime, settings: Settings) -> Plan:
    """Decide. After the plan is carried out, planning again changes nothing."""
    if snapshot.owner["metadata"].get("deletionTimestamp"):
        return Plan()
    view = ModelView(snapshot, now)
    try:
        spec = BankingModelSpec.model_validate(snapshot.owner["spec"])
    except ValidationError as error:
        return model_status.plan(replace(view, accepted=false("InvalidSpec", invalid(error))))
    engine = spec.engine or settings.default_engine
    case = _Case(snapshot, spec, Owner.of(snapshot.owner), settings, engine)
    plan = _decide(case, replace(view, spec=spec, engine=engine))
    return replace(plan, delete=plan.delete + ui.unwanted(spec, case.owner, snapshot.children))


@dataclass(frozen=True)
class _Found:
    """What the names in a spec stand for now."""

    base: Resolved
    adapters: dict[str, Resolved]
    classifier: Resolved
    profile: Profile
    before: Before


def _decide(case: _Case, view: ModelView) -> Plan:
    profile = case.settings.profile(case.spec.profile)
    if profile is None:
        return model_status.plan(replace(view, accepted=_unknown_profile(case)))
    found = _find(case, profile)
    base = found.base
    view = replace(view, model=base, adapters=found.adapters, classifier=found.classifier)
    view = replace(view, rollouts=rollout.plan(view, found.before))
    if base.source is None:
        accepted = base.blocked if base.blocked and base.state == AdapterState.FAILED else view.accepted
        return model_status.plan(replace(view, accepted=accepted))
    served = _gateway_setup(case, found)
    too_large = gateway.too_large(served.files) if served else None
    obstacle = case.snapshot.obstacle or engine_support.options(case.spec, case.engine) or too_large
    if obstacle:
        return model_status.plan(replace(view, accepted=obstacle))
    desired = _desired(case, base, found.adapters, view.rollouts)
    indexing = _indexing(case, view, found)
    page = ui.children(case.spec, case.owner, profile, case.settings)
    own = (*_children(case, desired, found, view.rollouts), *_gateway_children(case, served))
    wanted = [*own, *_index_children(case), *page]
    apply = changes.needed(wanted, case.snapshot.children) + ((indexing.start,) if indexing.start else ())
    view = replace(view, desired=desired, knowledge=indexing.check)
    return replace(model_status.plan(view, apply), delete=indexing.delete)


def _find(case: _Case, profile: Profile) -> _Found:
    before = Before.of(_live_config_map(case))
    base = serving.model(case.spec, case.snapshot.jobs, before)
    told = gateway.told_before(_live_deployment(case, "gateway"))
    classifier = gateway.classifier(case.spec.gateway.scope, case.snapshot.jobs, told)
    return _Found(base, _adapters(case, base, before), classifier, profile, before)


def _unknown_profile(case: _Case) -> Check:
    known = ", ".join(sorted(case.settings.profiles)) or "none"
    return false("UnknownProfile", f"spec.profile: {case.spec.profile!r} is not defined; known profiles: {known}")


def _live_config_map(case: _Case) -> Json | None:
    return changes.by_name(case.snapshot.children).get(("ConfigMap", configmap.serving_name(case.owner)))


def _live_deployment(case: _Case, component: str) -> Json | None:
    return changes.by_name(case.snapshot.children).get(("Deployment", case.owner.child(component)))


def _adapters(case: _Case, base: Resolved, before: Before) -> dict[str, Resolved]:
    """Every adapter of the spec; those beyond what the engine sets aside for adapters fail."""
    found: dict[str, Resolved] = {}
    served = 0
    limit = case.spec.lora.max_adapters
    for entry in case.spec.adapters:
        resolved = serving.adapter(entry, case.spec, case.snapshot.jobs, base, before)
        refused = engine_support.adapters(case.spec, case.engine) if resolved.source else None
        if refused:
            resolved = replace(resolved, source=None, blocked=refused, state=AdapterState.FAILED)
        served += resolved.source is not None
        if resolved.source is not None and served > limit:
            blocked = false("TooManyAdapters", f"spec.lora.maxAdapters is {limit}")
            resolved = replace(resolved, source=None, blocked=blocked, state=AdapterState.FAILED)
        found[entry.name] = resolved
    return found


def _desired(case: _Case, base: Resolved, resolved: dict[str, Resolved], rollouts: dict[str, Rolling]) -> DesiredState:
    stable = {name: rolling.stable for name, rolling in rollouts.items()}
    wanted = {name: serving.desired_adapter(name, part.source) for name, part in resolved.items() if part.source}
    answering = wanted | stable
    assert base.source is not None  # the caller stops where the model is not resolved
    state = DesiredState(
        revision="",
        namespace=case.owner.namespace,
        name=case.owner.name,
        engine=case.engine,
        model=base.source,
        adapters=[answering[name] for name in resolved if name in answering],
        canaries=[rolling.canary for rolling in rollouts.values() if rolling.canary],
        default_adapter=case.spec.default_adapter,
        max_rank=case.spec.lora.max_rank,
        agent_url=case.settings.agent_url,
    )
    return state.model_copy(update={"revision": digest(state.to_json())})


def _children(case: _Case, desired: DesiredState, found: _Found, rollouts: dict[str, Rolling]) -> list[Json]:
    setup = EngineSetup(case.owner.name, case.spec, case.engine, found.profile, _for_launcher(case, desired))
    parts = deployment.Serving(case.owner, setup, desired, _secrets(case, found, rollouts))
    return [
        _config_map(case, desired, found, rollouts),
        networkpolicy.engine_policy(case.owner, case.settings),
        service.engine_service(case.owner),
        service.gateway_service(case.owner),
        deployment.engine_deployment(parts, case.settings),
    ]


def _gateway_setup(case: _Case, found: _Found) -> GatewaySetup | None:
    """None while the classifier is waited for: pods without it would answer what they must refuse."""
    classifier, asked = found.classifier, case.spec.gateway
    if classifier.blocked:
        return None
    config = GatewayConfig(
        namespace=case.owner.namespace,
        name=case.owner.name,
        engine_url=f"http://{case.owner.child('engine')}.{case.owner.namespace}.svc:{names.PROXY_PORT}",
        agent_url=case.settings.agent_url,
        max_tokens=_answer_tokens(case.spec.engine_options.max_model_length),
        hold_seconds=asked.hold_seconds,
        jwt=asked.auth.jwt,
        access=asked.access,
        scope=asked.scope,
        classifier=classifier.source,
        name_model=gateway.name_model(asked.privacy),
        privacy=asked.privacy,
        audit=asked.audit,
        conversations=asked.conversations,
        rate_limit=asked.rate_limit,
    )
    retrieval = gateway.retrieval(asked.knowledge, case.owner)
    return GatewaySetup(case.owner, asked, config, retrieval, found.profile, _staging_secrets(case, classifier))


def _staging_secrets(case: _Case, classifier: Resolved) -> tuple[str, ...]:
    named = case.spec.gateway.privacy.names
    secrets = {classifier.secret, named.secret_ref.name if named and named.secret_ref else None} - {None}
    if classifier.carried:
        secrets |= gateway.staging_secrets(_live_deployment(case, "gateway"), classifier.source)
    return tuple(sorted(filter(None, secrets)))


def _gateway_children(case: _Case, served: GatewaySetup | None) -> list[Json]:
    """Without a setup, a gateway that is there goes on as it was."""
    if served is None:
        return []
    policy = networkpolicy.gateway_policy(case.owner, case.settings, case.spec.gateway)
    return [policy, manifest.gateway_deployment(served, case.settings)]


def _index_children(case: _Case) -> list[Json]:
    asked = case.spec.gateway.knowledge
    return [networkpolicy.index_policy(case.owner, case.settings, asked)] if asked else []


def _indexing(case: _Case, view: ModelView, found: _Found) -> knowledge.Indexing:
    asked = case.spec.gateway.knowledge
    config = gateway.retrieval(asked, case.owner)
    setup = IndexSetup(case.owner, asked, config, found.profile) if asked and config else None
    secrets = model_status.secret_fields(case.spec)
    return knowledge.plan(setup, case.snapshot, view.now, case.settings, secrets)


def _answer_tokens(model_length: int | None) -> int:
    """Room for an answer: at most half of what prompt and answer share, so that a question always fits beside it."""
    return min(LONGEST_ANSWER, model_length // 2) if model_length else LONGEST_ANSWER


def _for_launcher(case: _Case, desired: DesiredState) -> tuple[DesiredAdapter, ...]:
    """Without the share of a canary: another share is no reason to start the engine anew."""
    if case.engine != Engine.TGI:
        return ()
    canaries = (DesiredAdapter(**entry.model_dump(exclude={"percent"})) for entry in desired.canaries)
    return (*desired.adapters, *canaries)


def _config_map(case: _Case, desired: DesiredState, found: _Found, rollouts: dict[str, Rolling]) -> Json:
    configuration = nginx.configuration(case.engine)
    made = configmap.serving_config_map(case.owner, desired, case.settings.agent_ca, configuration)
    sources = {"model": found.base.job, **_adapter_sources(found, rollouts)}
    made["metadata"]["annotations"][serving.SOURCES_ANNOTATION] = json.dumps(sources, sort_keys=True)
    return stamped(made)


def _adapter_sources(found: _Found, rollouts: dict[str, Rolling]) -> dict[str, dict[str, str]]:
    wanted = {name: part.job for name, part in found.adapters.items() if part.job and part.source}
    earlier = found.before.sources.get("adapters", {})
    answering = {name: job for name, job in wanted.items() if name not in rollouts}
    answering |= {name: earlier[name] for name in rollouts if name in earlier}
    canaries = {name: wanted[name] for name, rolling in rollouts.items() if rolling.canary and name in wanted}
    return {"adapters": answering} | ({"canaries": canaries} if canaries else {})


def _secrets(case: _Case, found: _Found, rollouts: dict[str, Rolling]) -> tuple[str, ...]:
    """Secrets of the model and of every adapter; what the spec names no more keeps the one it was given."""
    parts = [found.base, *found.adapters.values()]
    secrets = {part.secret for part in parts if part.secret}
    if rollouts or any(part.carried for part in parts):
        secrets |= _live_secrets(case)
    return tuple(sorted(secrets))


def _live_secrets(case: _Case) -> set[str]:
    live = _live_deployment(case, "engine")
    if live is None:
        return set()
    containers = live["spec"]["template"]["spec"].get("initContainers", [])
    return {entry["secretRef"]["name"] for container in containers for entry in container.get("envFrom", [])}

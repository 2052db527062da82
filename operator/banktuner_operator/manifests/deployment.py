"""Deployments of a BankingModel, and the pods of its engine."""

from dataclasses import dataclass

from banktuner_api import names
from banktuner_api.bankingmodel import Engine
from banktuner_api.common import Json
from banktuner_api.serving import DesiredState
from banktuner_operator.manifests import configmap, engine, nginx, pod, security
from banktuner_operator.manifests.metadata import CONFIG_ANNOTATION, Owner, digest, stamped
from banktuner_operator.settings import Profile, Settings

READY_FILE = str(names.WORK_DIR / "control" / "adapters-ready")
ENGINE_GRACE_SECONDS = 120
"""Answers that are under way may end."""


@dataclass(frozen=True)
class Serving:
    """What the engine's Deployment is made of. `secrets`: of the model and of all adapters."""

    owner: Owner
    setup: engine.EngineSetup
    desired: DesiredState
    secrets: tuple[str, ...]


def engine_deployment(serving: Serving, settings: Settings) -> Json:
    """Engine pods. For vLLM the template does not depend on the adapters: running pods load them."""
    setup = serving.setup
    spec = {
        "terminationGracePeriodSeconds": ENGINE_GRACE_SECONDS,
        "initContainers": [_stager("stage-model", serving, settings), _sync(serving, settings)],
        "containers": [engine.container(setup, settings), _proxy(setup, settings)],
        "volumes": _engine_volumes(serving),
    }
    basis: Json = {"model": serving.desired.model.to_json(), "nginx": nginx.configuration(setup.engine)}
    if setup.engine == Engine.TGI:
        basis["adapters"] = [adapter.to_json() for adapter in serving.setup.adapters]
    template = Template("engine", spec, {CONFIG_ANNOTATION: digest(basis)}, setup.profile)
    return deployment(serving.owner, template, setup.spec.replicas, settings)


@dataclass(frozen=True)
class Template:
    """A pod template in the making. New `annotations` roll the pods."""

    component: str
    spec: Json
    annotations: dict[str, str]
    profile: Profile


def deployment(owner: Owner, template: Template, replicas: int, settings: Settings) -> Json:
    """The Deployment of one component."""
    component = template.component
    pod_spec = template.spec | security.identity() | pod.placement(template.profile, settings)
    metadata = {"labels": owner.labels(component), "annotations": template.annotations}
    spec = {
        "replicas": replicas,
        "revisionHistoryLimit": 2,
        "selector": {"matchLabels": owner.selector(component)},
        "template": {"metadata": metadata, "spec": pod_spec},
    }
    meta = owner.metadata(owner.child(component), component)
    return stamped({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec})


def _engine_volumes(serving: Serving) -> list[Json]:
    keys = [names.DESIRED_KEY, names.CA_KEY, names.NGINX_KEY]
    return [
        pod.empty_dir("work", serving.setup.spec.resources.ephemeral_storage),
        pod.empty_dir("tmp", "10Gi"),
        pod.empty_dir("shm", "1Gi", "Memory"),
        pod.config_volume(configmap.serving_name(serving.owner), keys),
        security.token_volume(),
    ]


def _stager(step: str, serving: Serving, settings: Settings, extra: Json | None = None) -> Json:
    return pod.Container(
        name=step,
        image=settings.images.operator,
        command=["python", "-m", "banktuner_stager", step],
        resources=pod.helper_resources(serving.setup.profile),
        env={"HOME": "/tmp"},
        secrets=list(serving.secrets),
        mounts=[pod.WORK, pod.CONFIG, security.token_mount()],
        extra=extra or {},
    ).build(settings)


def _sync(serving: Serving, settings: Settings) -> Json:
    probe = {"exec": {"command": ["test", "-f", READY_FILE]}, "periodSeconds": 2, "failureThreshold": 3}
    return _stager("sync", serving, settings, {"restartPolicy": "Always", "readinessProbe": probe})


def _proxy(setup: engine.EngineSetup, settings: Settings) -> Json:
    return pod.Container(
        name="proxy",
        image=settings.images.proxy,
        command=["nginx", "-c", str(names.CONFIG_DIR / names.NGINX_KEY), "-g", "daemon off;"],
        resources=pod.helper_resources(setup.profile, "128Mi"),
        mounts=[pod.CONFIG] + ([pod.WORK | {"readOnly": True}] if setup.engine is Engine.TGI else []),
        extra={"ports": [{"name": "http", "containerPort": names.PROXY_PORT, "protocol": "TCP"}]},
    ).build(settings)

"""Deployments of a BankingModel: the engine's pods and the gateway's."""

from dataclasses import dataclass

from banktuner_api import names
from banktuner_api.bankingmodel import Engine
from banktuner_api.common import Json
from banktuner_api.serving import DesiredState, GatewayConfig
from banktuner_operator.manifests import configmap, engine, nginx, pod, security
from banktuner_operator.manifests.metadata import Owner, digest, stamped
from banktuner_operator.settings import Profile, Settings

CONFIG_ANNOTATION = f"{names.GROUP}/config"
READY_FILE = str(names.WORK_DIR / "control" / "adapters-ready")
ENGINE_GRACE_SECONDS = 120
"""Answers that are under way may end."""


@dataclass(frozen=True)
class Serving:
    """What the Deployments of a BankingModel are made of. `secrets`: of the model and of all adapters."""

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
        basis["adapters"] = [adapter.to_json() for adapter in serving.desired.adapters]
    template = Template("engine", spec, digest(basis), setup.profile)
    return _deployment(serving.owner, template, setup.spec.replicas, settings)


@dataclass(frozen=True)
class Template:
    """A pod template in the making. A new `config` rolls the pods."""

    component: str
    spec: Json
    config: str
    profile: Profile


def gateway_deployment(serving: Serving, gateway: GatewayConfig, settings: Settings) -> Json:
    """Gateway pods. They run anywhere: the profile is about the engine's hardware."""
    tokens = serving.setup.spec.gateway.auth.tokens_secret_ref.name
    spec = {
        "terminationGracePeriodSeconds": 35,
        "containers": [_gateway(settings, serving.setup.profile)],
        "volumes": [
            pod.empty_dir("tmp", "256Mi"),
            pod.config_volume(
                configmap.serving_name(serving.owner), [names.DESIRED_KEY, names.GATEWAY_CONFIG_KEY, names.CA_KEY]
            ),
            security.token_volume(),
            {"name": "tokens", "secret": {"secretName": tokens, "defaultMode": 0o440}},
        ],
    }
    template = Template("gateway", spec, digest(gateway.to_json()), Profile())
    return _deployment(serving.owner, template, serving.setup.spec.gateway.replicas, settings)


def _deployment(owner: Owner, template: Template, replicas: int, settings: Settings) -> Json:
    component = template.component
    pod_spec = template.spec | security.identity() | pod.placement(template.profile, settings)
    metadata = {"labels": owner.labels(component), "annotations": {CONFIG_ANNOTATION: template.config}}
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


def _gateway(settings: Settings, profile: Profile) -> Json:
    port = names.GATEWAY_PORT
    tokens = {"name": "tokens", "mountPath": str(names.TOKENS_DIR), "readOnly": True}
    ready = {"httpGet": {"path": "/readyz", "port": port}, "periodSeconds": 5, "timeoutSeconds": 5}
    alive = {"httpGet": {"path": "/healthz", "port": port}, "periodSeconds": 20, "timeoutSeconds": 5}
    return pod.Container(
        name="gateway",
        image=settings.images.gateway,
        command=["python", "-m", "banktuner_gateway"],
        resources=pod.helper_resources(profile, "512Mi"),
        env={"HOME": "/tmp"},
        mounts=[pod.CONFIG, security.token_mount(), tokens],
        extra={
            "ports": [{"name": "http", "containerPort": port, "protocol": "TCP"}],
            "readinessProbe": ready,
            "livenessProbe": alive | {"initialDelaySeconds": 10},
            # New questions still come until every node knows that this pod goes.
            "lifecycle": {"preStop": {"sleep": {"seconds": 4}}},
        },
    ).build(settings)

"""Pieces of pods: containers, volumes, mounts, resources, placement."""

from dataclasses import dataclass, field

from banktuner_api import names
from banktuner_api.common import Json, Resources
from banktuner_operator.manifests import quantity, security
from banktuner_operator.settings import Profile, Settings

WORK = {"name": "work", "mountPath": str(names.WORK_DIR)}
TMP = {"name": "tmp", "mountPath": "/tmp"}
SHM = {"name": "shm", "mountPath": "/dev/shm"}
CONFIG = {"name": "config", "mountPath": str(names.CONFIG_DIR), "readOnly": True}
GPU = "nvidia.com/gpu"
TMP_SIZE = "2Gi"
HELPER_MEMORY = "1Gi"


@dataclass(frozen=True)
class SecretKey:
    """One key of a Secret."""

    secret: str
    key: str


@dataclass(frozen=True)
class Container:
    """What one container is, before the parts that all have in common.

    `secrets`: all keys of these Secrets, behind a prefix for each. `keys`: environment variables from one key each.
    """

    name: str
    image: str
    command: list[str]
    resources: Json
    args: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    keys: dict[str, SecretKey] = field(default_factory=dict)
    mounts: list[Json] = field(default_factory=list)
    extra: Json = field(default_factory=dict)

    def build(self, settings: Settings) -> Json:
        """The container as the API server reads it."""
        body: Json = {
            "name": self.name,
            "image": self.image,
            "imagePullPolicy": settings.image_pull_policy,
            "env": self._environment(),
            "resources": self.resources,
            "volumeMounts": [TMP, *self.mounts],
            "securityContext": security.container_security(),
            "terminationMessagePolicy": "File",
        }
        if self.command:
            body["command"] = self.command
        if self.args:
            body["args"] = self.args
        if self.secrets:
            body["envFrom"] = [credentials(secret) for secret in self.secrets]
        return body | self.extra

    def _environment(self) -> list[Json]:
        plain = ({"name": name, "value": value} for name, value in sorted(self.env.items()))
        secret = (
            {"name": name, "valueFrom": {"secretKeyRef": {"name": source.secret, "key": source.key}}}
            for name, source in sorted(self.keys.items())
        )
        return [_pod_name(), *plain, *secret]


def _pod_name() -> Json:
    return {"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}}


def credentials(secret: str) -> Json:
    """envFrom entry: a missing Secret stops the container with a reason that the pod's status tells."""
    return {"prefix": names.secret_env_prefix(secret), "secretRef": {"name": secret}}


def main_resources(resources: Resources, profile: Profile) -> Json:
    """Limits as asked for; requests are the profile's share of them. GPUs cannot be shared."""
    percent = profile.request_percent
    limits = {
        "cpu": quantity.cores(resources.cpu),
        "memory": quantity.size(resources.memory),
        "ephemeral-storage": quantity.size(resources.ephemeral_storage),
    }
    requests = {
        "cpu": quantity.cores(resources.cpu, percent),
        "memory": quantity.size(resources.memory, percent),
        "ephemeral-storage": quantity.size(resources.ephemeral_storage, percent),
    }
    gpus = {GPU: str(resources.gpus)} if resources.gpus else {}
    return {"limits": limits | gpus, "requests": requests | gpus}


def helper_resources(profile: Profile, memory: str = HELPER_MEMORY, request: str = "64Mi") -> Json:
    """Containers beside the main one: they copy files, or pass requests on. `memory` is the limit."""
    return {
        "limits": {"cpu": "1", "memory": memory},
        "requests": {"cpu": quantity.cores("100m", profile.request_percent), "memory": request},
    }


def empty_dir(name: str, size: str, medium: str = "") -> Json:
    """A bounded scratch volume."""
    return {"name": name, "emptyDir": {"sizeLimit": quantity.size(size)} | ({"medium": medium} if medium else {})}


def config_volume(config_map: str, keys: list[str]) -> Json:
    """Some keys of a ConfigMap as files."""
    items = [{"key": key, "path": key} for key in keys]
    return {"name": "config", "configMap": {"name": config_map, "items": items, "defaultMode": 0o444}}


def projected_config(annotations: dict[str, str], config_map: str = "", keys: list[str] | None = None) -> Json:
    """Annotations of the pod itself ({annotation: file}), and some keys of a ConfigMap, as files in one folder.

    An annotation of a pod template stays as it was for as long as the pod lives, also when a container starts again.
    """
    own = [
        {"path": file, "fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.annotations['{annotation}']"}}
        for annotation, file in annotations.items()
    ]
    sources: list[Json] = [{"downwardAPI": {"items": own}}]
    if keys:
        items = [{"key": key, "path": key} for key in keys]
        sources.append({"configMap": {"name": config_map, "items": items}})
    return {"name": "config", "projected": {"defaultMode": 0o444, "sources": sources}}


def placement(profile: Profile, settings: Settings) -> Json:
    """Where a pod may run, as the administrator's profile says."""
    spec: Json = {}
    if profile.node_selector:
        spec["nodeSelector"] = profile.node_selector
    if profile.tolerations:
        spec["tolerations"] = profile.tolerations
    if profile.runtime_class_name:
        spec["runtimeClassName"] = profile.runtime_class_name
    if profile.scheduler_name:
        spec["schedulerName"] = profile.scheduler_name
    if settings.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in settings.image_pull_secrets]
    return spec

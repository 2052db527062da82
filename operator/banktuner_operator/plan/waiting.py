"""What pods wait for, in words: a missing Secret, no node, an image, a quota."""

import re

from banktuner_api.common import Json
from banktuner_operator.plan.conditions import false
from banktuner_operator.plan.types import Check

SecretFields = list[tuple[str, str]]
"""(field of the spec, Secret name) of every Secret that the custom resource names."""

_IMAGE_REASONS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "RegistryUnavailable"}
)
_HARMLESS = frozenset({"", "PodInitializing", "ContainerCreating"})
_SECRET = re.compile(r'secret "([^"]+)" not found')


def of_pod(pod: Json, secrets: SecretFields) -> Check | None:
    """Why a pod that has not started waits; None: it just starts."""
    return _unscheduled(pod) or _containers(pod, secrets)


def of_no_pod(messages: tuple[str, ...]) -> Check:
    """Why there is no pod, from the warnings about its Job or ReplicaSet, newest last."""
    if not messages:
        return false("PodPending", "waiting for the pod")
    reason = "QuotaExceeded" if "exceeded quota" in messages[-1] else "PodNotCreated"
    return false(reason, f"the pod cannot be created: {messages[-1]}")


def _unscheduled(pod: Json) -> Check | None:
    for condition in pod.get("status", {}).get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return false("Unschedulable", f"no node takes the pod: {condition.get('message', '')}")
    return None


def _containers(pod: Json, secrets: SecretFields) -> Check | None:
    status = pod.get("status", {})
    for container in (*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])):
        waiting = container.get("state", {}).get("waiting")
        if waiting and waiting.get("reason", "") not in _HARMLESS:
            return _container(container, waiting, secrets)
    return None


def _container(container: Json, waiting: Json, secrets: SecretFields) -> Check:
    reason, message = waiting["reason"], waiting.get("message", "")
    missing = missing_secret(message)
    if missing:
        return false("SecretMissing", secret_message(missing, secrets))
    if reason in _IMAGE_REASONS:
        remedy = "the image is the administrator's: see the chart's images and profiles"
        return false("ImagePull", f"image {container.get('image', '')}: {message or reason}; {remedy}")
    if reason == "CrashLoopBackOff":
        said = container.get("lastState", {}).get("terminated", {}).get("message", "")
        return false("CrashLoopBackOff", f"container {container['name']} keeps ending: {said or message}")
    return false(_camel(reason), f"container {container['name']}: {message or reason}")


def missing_secret(message: str) -> str | None:
    """Name of the Secret that a message of the kubelet says is missing."""
    found = _SECRET.search(message)
    return found.group(1) if found else None


def secret_message(secret: str, secrets: SecretFields) -> str:
    """Which field names the missing Secret, and what to do."""
    fields = ", ".join(path for path, name in secrets if name == secret)
    return f'{fields}: Secret "{secret}" does not exist in this namespace; create it and the pod goes on by itself'


def _camel(reason: str) -> str:
    return reason if re.fullmatch(r"[A-Z][A-Za-z0-9]*", reason) else "ContainerWaiting"

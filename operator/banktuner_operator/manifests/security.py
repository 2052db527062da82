"""The only place that writes securityContext and mounts a token: every pod here is `restricted` by construction."""

from banktuner_api import names
from banktuner_api.common import Json

USER = 10001
TOKEN_SECONDS = 3600
TOKEN_VOLUME = "token"


def pod_security() -> Json:
    """securityContext of a pod."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> Json:
    """securityContext of a container."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def identity() -> Json:
    """Fields of a pod spec that keep the API server's own token out of it."""
    return {"automountServiceAccountToken": False, "enableServiceLinks": False, "securityContext": pod_security()}


def token_volume() -> Json:
    """The token for the agent API: good for nothing else, renewed by the kubelet."""
    source = {"audience": names.TOKEN_AUDIENCE, "expirationSeconds": TOKEN_SECONDS, "path": names.TOKEN_FILE.name}
    return {
        "name": TOKEN_VOLUME,
        "projected": {"defaultMode": 0o440, "sources": [{"serviceAccountToken": source}]},
    }


def token_mount() -> Json:
    """Where the token is read."""
    return {"name": TOKEN_VOLUME, "mountPath": str(names.TOKEN_FILE.parent), "readOnly": True}

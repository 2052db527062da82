"""Deployment of the chat page: a client of the gateway, with no Secret, no token and no settings of its own."""

from banktuner_api import names
from banktuner_api.common import Json
from banktuner_operator.manifests import pod
from banktuner_operator.manifests.deployment import Template, deployment
from banktuner_operator.manifests.metadata import Owner
from banktuner_operator.settings import Profile, Settings

GRACE_SECONDS = 30
"""Above the 20 s that the process gives to answers under way."""
MEMORY, REQUEST = "768Mi", "256Mi"
START_SECONDS = 300
"""Gradio is a second's work to import on a free core, minutes on one that many pods share."""


def ui_deployment(owner: Owner, profile: Profile, settings: Settings) -> Json:
    """One pod, because who is signed in is known to one process alone. It runs anywhere, as the gateway does."""
    spec = {
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "containers": [_page(owner, profile, settings)],
        "volumes": [pod.empty_dir("tmp", "256Mi")],
    }
    return deployment(owner, Template("ui", spec, {}, Profile()), 1, settings)


def _page(owner: Owner, profile: Profile, settings: Settings) -> Json:
    gateway = f"http://{names.gateway_service_name(owner.name)}.{owner.namespace}.svc"
    return pod.Container(
        name="ui",
        image=settings.images.ui,
        command=["python", "-m", "banktuner_ui"],
        resources=pod.helper_resources(profile, MEMORY, REQUEST),
        env={"HOME": "/tmp", "TMPDIR": "/tmp", "BANKTUNER_UI_GATEWAY_URL": gateway},
        extra=_life(),
    ).build(settings)


def _life() -> Json:
    health = {"httpGet": {"path": "/healthz", "port": names.UI_PORT}, "timeoutSeconds": 5}
    return {
        "ports": [{"name": "http", "containerPort": names.UI_PORT, "protocol": "TCP"}],
        "startupProbe": health | {"periodSeconds": 5, "failureThreshold": START_SECONDS // 5},
        "readinessProbe": health | {"periodSeconds": 5},
        "livenessProbe": health | {"periodSeconds": 20},
    }

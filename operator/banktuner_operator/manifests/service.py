"""Services of a BankingModel, and the one at which the pods of a FineTuneJob meet."""

from banktuner_api import names
from banktuner_api.common import Json
from banktuner_operator.manifests.metadata import Owner, stamped

HTTP = 80


def engine_service(owner: Owner) -> Json:
    """What the gateway calls; its name carries the owner's hash."""
    return _service(owner, owner.child("engine"), "engine", names.PROXY_PORT, names.PROXY_PORT)


def gateway_service(owner: Owner) -> Json:
    """What people call."""
    return _service(owner, names.gateway_service_name(owner.name), "gateway", HTTP, names.GATEWAY_PORT)


def ui_service(owner: Owner) -> Json:
    """What browsers open, mostly through an Ingress that adds TLS."""
    return _service(owner, names.ui_service_name(owner.name), "ui", HTTP, names.UI_PORT)


def rendezvous_name(owner: Owner) -> str:
    """Name of the headless Service of a job with several pods."""
    return owner.child("training")


def rendezvous_service(owner: Owner) -> Json:
    """Gives each pod a DNS name of its own, before it is ready: they wait for each other while they start."""
    name = rendezvous_name(owner)
    spec = {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": owner.selector("training"),
        "ports": [{"name": "rendezvous", "port": names.RENDEZVOUS_PORT, "protocol": "TCP"}],
    }
    metadata = owner.metadata(name, "training")
    return stamped({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})


def _service(owner: Owner, name: str, component: str, port: int, target: int) -> Json:
    spec = {
        "type": "ClusterIP",
        "selector": owner.selector(component),
        "ports": [{"name": "http", "port": port, "targetPort": target, "protocol": "TCP"}],
    }
    return stamped({"apiVersion": "v1", "kind": "Service", "metadata": owner.metadata(name, component), "spec": spec})

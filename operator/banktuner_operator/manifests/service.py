"""Services of a BankingModel."""

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


def _service(owner: Owner, name: str, component: str, port: int, target: int) -> Json:
    spec = {
        "type": "ClusterIP",
        "selector": owner.selector(component),
        "ports": [{"name": "http", "port": port, "targetPort": target, "protocol": "TCP"}],
    }
    return stamped({"apiVersion": "v1", "kind": "Service", "metadata": owner.metadata(name, component), "spec": spec})

"""NetworkPolicies: closed both ways but for what a pod needs."""

from banktuner_api import names
from banktuner_api.bankingmodel import Gateway
from banktuner_api.common import Json
from banktuner_api.gateway import Knowledge
from banktuner_operator.manifests.metadata import Owner, stamped
from banktuner_operator.settings import Peer, Settings

OPERATOR_COMPONENT = "operator"
"""Value of app.kubernetes.io/component on the operator's own pods, in the chart."""


def training_policy(owner: Owner, settings: Settings, together: bool = False, tracked: bool = False) -> Json:
    """Pods of a job: nothing in; out to DNS, object storage, the agent API and, where `tracked`, to trackers.

    Pods that train `together` reach each other on every port: gloo and NCCL listen wherever the kernel lets them.
    """
    peers = _pods(owner.selector("training"))
    trackers = [_peer(peer) for peer in settings.network.trackers] if tracked else []
    beside: list[Json] = [{"to": [peers]}] if together else []
    return _policy(
        owner, "training", [{"from": [peers]}] if together else [], [*_outside(settings), *trackers, *beside]
    )


def engine_policy(owner: Owner, settings: Settings) -> Json:
    """Pods of the engine: in from their gateway only."""
    ingress = [{"from": [_pods(owner.selector("gateway"))], "ports": [_tcp(names.PROXY_PORT)]}]
    return _policy(owner, "engine", ingress, _outside(settings))


def gateway_policy(owner: Owner, settings: Settings, asked: Gateway) -> Json:
    """Pods of the gateway: in on their port; out to the engine, DNS, the agent API, and what its spec makes it call."""
    ingress = [{"ports": [_tcp(names.GATEWAY_PORT)]}]
    engine = {"to": [_pods(owner.selector("engine"))], "ports": [_tcp(names.PROXY_PORT)]}
    network = settings.network
    called = [
        *(network.object_stores if _stores_objects(asked) else []),
        *(network.identity_providers if asked.auth.jwt else []),
        *(network.conversation_stores if asked.conversations.store == "Redis" else []),
        *_vector_stores(asked.knowledge, settings),
    ]
    return _policy(owner, "gateway", ingress, [_dns(), _agent(settings), engine, *map(_peer, called)])


def ui_policy(owner: Owner) -> Json:
    """Pods of the chat page: in on their port; out to DNS and the gateway."""
    gateway = {"to": [_pods(owner.selector("gateway"))], "ports": [_tcp(names.GATEWAY_PORT)]}
    return _policy(owner, "ui", [{"ports": [_tcp(names.UI_PORT)]}], [_dns(), gateway])


def _stores_objects(asked: Gateway) -> bool:
    read = (asked.scope.classifier, asked.privacy.names, asked.knowledge)
    return asked.audit.sink == "ObjectStore" or any(part is not None for part in read)


def _vector_stores(knowledge: Knowledge | None, settings: Settings) -> list[Peer]:
    remote = knowledge is not None and knowledge.vector_store.type != "FAISS"
    return settings.network.vector_stores if remote else []


def index_policy(owner: Owner, settings: Settings, knowledge: Knowledge) -> Json:
    """Pods that index documents: nothing in; out to DNS, object storage and the vector store."""
    called = [*settings.network.object_stores, *_vector_stores(knowledge, settings)]
    return _policy(owner, "index", [], [_dns(), *map(_peer, called)])


def _policy(owner: Owner, component: str, ingress: list[Json], egress: list[Json]) -> Json:
    spec: Json = {
        "podSelector": {"matchLabels": owner.selector(component)},
        "policyTypes": ["Ingress", "Egress"],
        "egress": egress,
    }
    if ingress:
        spec["ingress"] = ingress
    return stamped(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": owner.metadata(owner.child(component), component),
            "spec": spec,
        }
    )


def _outside(settings: Settings) -> list[Json]:
    return [_dns(), _agent(settings), *(_peer(peer) for peer in settings.network.object_stores)]


def _dns() -> Json:
    return {"ports": [{"port": 53, "protocol": "UDP"}, _tcp(53)]}


def _agent(settings: Settings) -> Json:
    to = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": settings.namespace}},
        "podSelector": {
            "matchLabels": {names.LABEL_NAME: "banktuner", names.LABEL_COMPONENT: OPERATOR_COMPONENT},
        },
    }
    return {"to": [to], "ports": [_tcp(names.AGENT_PORT)]}


def _peer(peer: Peer) -> Json:
    block: Json = {"cidr": peer.cidr} | ({"except": peer.excluded} if peer.excluded else {})
    return {"to": [{"ipBlock": block}], "ports": [_tcp(port) for port in peer.ports]}


def _pods(labels: dict[str, str]) -> Json:
    return {"podSelector": {"matchLabels": labels}}


def _tcp(port: int) -> Json:
    return {"port": port, "protocol": "TCP"}

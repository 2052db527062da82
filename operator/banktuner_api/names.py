"""Names that appear in the cluster and in pods: group, labels, child names, paths, ports."""

import hashlib
from pathlib import Path

GROUP = "banktuner.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

FIELD_MANAGER = "banktuner"
AGENT_FIELD_MANAGER = "banktuner-agent"
TOKEN_AUDIENCE = GROUP

LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
LABEL_COMPONENT = "app.kubernetes.io/component"
LABEL_NAME = "app.kubernetes.io/name"
LABEL_INSTANCE = "app.kubernetes.io/instance"
LABEL_OWNER_UID = f"{GROUP}/owner-uid"
LABEL_OWNER_KIND = f"{GROUP}/owner-kind"
LABEL_ATTEMPT = f"{GROUP}/attempt"
MANAGED_BY = "banktuner"
KUEUE_QUEUE_LABEL = "kueue.x-k8s.io/queue-name"

CONFIG_DIR = Path("/etc/banktuner")
TOKENS_DIR = Path("/etc/banktuner-tokens")
TOKEN_FILE = Path("/var/run/banktuner/token")
WORK_DIR = Path("/work")
CLASSIFIER_DIR = WORK_DIR / "classifier"
"""In a gateway pod: the `onnx/` folder of the scope's classifier, verified."""
NAME_MODEL_DIR = WORK_DIR / "names"
"""In a gateway pod: the ONNX token classifier that finds people's names."""
SECRETS_DIR = Path("/etc/banktuner-secrets")
"""In a gateway pod: audit/key and redis/url, one key of a Secret each."""
AUDIT_DIR = Path("/audit")
"""In a gateway pod with the audit sink Volume: the claim's root."""
TERMINATION_LOG = Path("/dev/termination-log")

RUN_CONFIG_KEY = "run.json"
DESIRED_KEY = "desired.json"
GATEWAY_CONFIG_KEY = "gateway.json"
RETRIEVAL_KEY = "retrieval.json"
CA_KEY = "ca.crt"
NGINX_KEY = "nginx.conf"

VECTOR_STORE_KEY_VARIABLE = "BANKTUNER_VECTOR_STORE_KEY"
"""Environment variable of the gateway and of indexing pods, from one key of a Secret."""

SERVED_MAP = WORK_DIR / "control" / "served.map"
"""In a TGI pod: the adapters that this very pod started with, as lines of an nginx map."""
TGI_BASE_MODEL = "tgi"
"""TGI takes any other value of `model` for an adapter's name."""

ENGINE_PORT = 8000
"""Port of vLLM or TGI, on loopback only."""
PROXY_PORT = 8080
GATEWAY_PORT = 8080
UI_PORT = 7860
AGENT_PORT = 8443
RENDEZVOUS_PORT = 29500
"""Where the pods that train together meet, on the first of them; torch's usual port."""

GRACE_SECONDS = 120
"""Time of a training pod between SIGTERM and SIGKILL: for a last checkpoint and its way to object storage."""

MAX_NAME = 40
"""Longest metadata.name of our kinds: children carry suffixes and must stay within 63."""


REFUSAL = (
    "I'm specialized in banking services only. I can help with accounts, transactions, fees, loans, and cards. "
    "Please ask a banking question."
)
"""The answer to everything that is not a bank's business."""


def uid_hash(uid: str) -> str:
    """Eight hex digits that stand for an owner's uid in the names of its children."""
    return hashlib.sha256(uid.encode()).hexdigest()[:8]


def child_name(owner: str, uid: str, suffix: str) -> str:
    """Deterministic child name, at most 63 characters for owners of at most 40."""
    return f"{owner}-{uid_hash(uid)}-{suffix}"


def gateway_service_name(owner: str) -> str:
    """Name of the Service that people address; it carries no hash on purpose."""
    return f"{owner}-gateway"


def ui_service_name(owner: str) -> str:
    """Name of the chat page's Service, for the same reason without a hash."""
    return f"{owner}-ui"


def secret_env_prefix(secret: str) -> str:
    """Prefix of the environment variables that `envFrom` makes of a Secret's keys; one for each Secret name."""
    return f"BT_{hashlib.sha256(secret.encode()).hexdigest()[:10].upper()}_"


def served_name(adapter: str, digest: str) -> str:
    """Name under which an engine knows one version of an adapter; a new digest is a new name.

    `digest` is `sha256:<64 hex>`.
    """
    return f"{adapter}-{digest.removeprefix('sha256:')[:12]}"

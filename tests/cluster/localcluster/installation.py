"""What our suites expect inside a cluster: the jobs' namespace with its object-store Secret, and the operator by Helm."""

import json
from collections.abc import Mapping

from localcluster import settings

RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}


def namespace(name: str, labels: Mapping[str, str]) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels)}}


def store_secret(endpoint: str, region: str, access_key: str, secret_key: str) -> dict[str, object]:
    """The Secret `s3` that FineTuneJobs and BankingModels name as their credentials."""
    data = {
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": region,
    }
    metadata = {"name": "s3", "namespace": settings.NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "stringData": data}


def prerequisites(endpoint: str, region: str, access_key: str, secret_key: str) -> str:
    """A manifest (JSON) with both namespaces and the Secret."""
    items = [
        namespace(settings.NAMESPACE, RESTRICTED),
        namespace(settings.SYSTEM_NAMESPACE, RESTRICTED),
        store_secret(endpoint, region, access_key, secret_key),
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})

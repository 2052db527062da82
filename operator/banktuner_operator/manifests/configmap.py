"""ConfigMaps that pods read at /etc/banktuner."""

import json

from banktuner_api import names
from banktuner_api.common import Json
from banktuner_api.run_config import RunConfig
from banktuner_api.serving import DesiredState
from banktuner_operator.manifests.metadata import Owner, stamped


def run_name(owner: Owner, attempt: int) -> str:
    """Name of an attempt's ConfigMap."""
    return owner.child(f"{attempt}-run")


def run_config_map(owner: Owner, run: RunConfig, agent_ca: str) -> Json:
    """One attempt's settings; immutable, because they must not change under a running pod."""
    meta = owner.metadata(run_name(owner, run.job.attempt), "training")
    meta["labels"][names.LABEL_ATTEMPT] = str(run.job.attempt)
    data = {names.RUN_CONFIG_KEY: pretty(run.to_json()), names.CA_KEY: agent_ca}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "immutable": True, "data": data}


def serving_name(owner: Owner) -> str:
    """Name of a BankingModel's ConfigMap."""
    return owner.child("serving")


def serving_config_map(owner: Owner, desired: DesiredState, agent_ca: str, nginx: str) -> Json:
    """What the pods of a BankingModel read: it lasts while the operator is down."""
    data = {
        names.DESIRED_KEY: pretty(desired.to_json()),
        names.CA_KEY: agent_ca,
        names.NGINX_KEY: nginx,
    }
    meta = owner.metadata(serving_name(owner), "serving")
    return stamped({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})


def pretty(content: Json) -> str:
    """JSON that people can read in `kubectl get -o yaml`."""
    return json.dumps(content, indent=2, sort_keys=True) + "\n"

"""The S3 server: its keys, its process, its bucket, and how clients are told about any store."""

import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

from localcluster import daemons, processes, settings
from localcluster.settings import Paths
from localcluster.shell import ClusterError, wait_until, write_private


@dataclass(frozen=True)
class Store:
    """A bucket and how to reach it; `endpoint` is empty for Amazon's own S3."""

    bucket: str
    access_key: str
    secret_key: str
    region: str
    endpoint: str

    def credentials(self) -> dict[str, str]:
        """The AWS_* variables that S3 clients and our Secret hold."""
        found = {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": self.region,
        }
        return {name: value for name, value in found.items() if value}


def from_environment(variables: Mapping[str, str]) -> Store:
    """The store that AWS_* and BANKTUNER_BUCKET name; ClusterError for what is missing."""
    needed = ("BANKTUNER_BUCKET", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    missing = [name for name in needed if not variables.get(name)]
    if missing:
        raise ClusterError(
            f"{', '.join(missing)} not set", "export the bucket and keys of an S3 store the cluster reaches"
        )
    bucket, access, secret = (variables[name] for name in needed)
    region = variables.get("AWS_REGION", settings.REGION)
    return Store(bucket, access, secret, region, variables.get("AWS_ENDPOINT_URL", ""))


def own_store(paths: Paths, address: str = settings.NODE_ADDRESS) -> Store:
    """The store that we run at `address`; its keys are made once a cluster."""
    record = paths.pki / "s3.json"
    if not record.is_file():
        access, secret = f"banktuner{secrets.token_hex(4)}", secrets.token_urlsafe(30)
        write_private(record, json.dumps({"access": access, "secret": secret}))
    value = json.loads(record.read_text())
    endpoint = f"http://{address}:{settings.S3_PORT}"
    return Store(settings.BUCKET, value["access"], value["secret"], settings.REGION, endpoint)


def start(paths: Paths, address: str = settings.NODE_ADDRESS) -> Store:
    """Have our server answer at `address`, with our bucket there."""
    store = own_store(paths, address)
    # the posix backend's buckets are folders: made here, it needs no signed request
    (paths.s3 / store.bucket).mkdir(parents=True, exist_ok=True)
    processes.ensure(paths, daemons.object_store(paths, address, store.access_key, store.secret_key))
    wait_until(
        lambda: answers(store.endpoint),
        seconds=300,
        what="object store",
        remedy=f"free port {settings.S3_PORT} of {address}, or read the log",
        log=paths.logs / "versitygw.log",
    )
    return store


def answers(endpoint: str) -> bool:
    """Whether it speaks S3: an unsigned request must be refused."""
    try:
        urllib.request.urlopen(endpoint, timeout=2)
    except urllib.error.HTTPError as refusal:
        return refusal.code == 403
    except OSError:
        return False
    return True

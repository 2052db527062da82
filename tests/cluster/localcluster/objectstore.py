"""The S3 server: its keys, its process, its bucket."""

import json
import secrets
import urllib.error
import urllib.request

from localcluster import daemons, processes, settings
from localcluster.settings import Paths
from localcluster.shell import wait_until, write_private

ENDPOINT = f"http://{settings.NODE_ADDRESS}:{settings.S3_PORT}"


def keys(paths: Paths) -> tuple[str, str]:
    """(access key, secret key), made once a cluster."""
    record = paths.pki / "s3.json"
    if not record.is_file():
        access, secret = f"banktuner{secrets.token_hex(4)}", secrets.token_urlsafe(30)
        write_private(record, json.dumps({"access": access, "secret": secret}))
    value = json.loads(record.read_text())
    return value["access"], value["secret"]


def start(paths: Paths) -> None:
    """Have the server answer, with our bucket there."""
    # the posix backend's buckets are folders: made here, it needs no signed request
    (paths.s3 / settings.BUCKET).mkdir(parents=True, exist_ok=True)
    processes.ensure(paths, daemons.object_store(paths, *keys(paths)))
    log = paths.logs / "versitygw.log"
    remedy = f"free port {settings.S3_PORT} of {settings.NODE_ADDRESS}, or read the log"
    wait_until(answers, seconds=30, what="object store", remedy=remedy, log=log)


def answers() -> bool:
    """Whether it speaks S3: an unsigned request must be refused."""
    try:
        urllib.request.urlopen(ENDPOINT, timeout=2)
    except urllib.error.HTTPError as refusal:
        return refusal.code == 403
    except OSError:
        return False
    return True

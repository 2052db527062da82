"""The shell exports that let kubectl, helm and any S3 client use the cluster."""

import os
import shlex
from collections.abc import Mapping

from localcluster import objectstore, settings
from localcluster.settings import Paths


def exports(paths: Paths, path: str) -> dict[str, str]:
    """Variables of the local cluster; `path` is the PATH to put our programs in front of."""
    access, secret = objectstore.keys(paths)
    own = str(paths.bin)
    rest = [entry for entry in path.split(os.pathsep) if entry != own]
    return {
        "KUBECONFIG": str(paths.kubeconfig),
        "PATH": os.pathsep.join([own, *rest]),
        "AWS_ENDPOINT_URL": objectstore.ENDPOINT,
        "AWS_ACCESS_KEY_ID": access,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_REGION": settings.REGION,
        "BANKTUNER_BUCKET": settings.BUCKET,
        "BANKTUNER_NAMESPACE": settings.NAMESPACE,
    }


def render(variables: Mapping[str, str]) -> str:
    """`export NAME=value` lines for `eval`, quoted for a POSIX shell."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())

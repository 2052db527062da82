"""The shell exports that let kubectl, helm and any S3 client use the cluster."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from localcluster import settings
from localcluster.objectstore import Store


def exports(store: Store, kubeconfig: Path | None, programs: Path, path: str) -> dict[str, str]:
    """The variables; `programs` goes in front of the PATH `path`; without `kubeconfig` the person's own stays."""
    own = str(programs)
    rest = [entry for entry in path.split(os.pathsep) if entry != own]
    return {
        **({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {}),
        "PATH": os.pathsep.join([own, *rest]),
        **store.credentials(),
        "BANKTUNER_BUCKET": store.bucket,
        "BANKTUNER_NAMESPACE": settings.NAMESPACE,
    }


def render(variables: Mapping[str, str]) -> str:
    """`export NAME=value` lines for `eval`, quoted for a POSIX shell."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())

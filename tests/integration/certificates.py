"""A certificate for the agent API on loopback."""

import subprocess
from pathlib import Path


def make(folder: Path) -> Path:
    """tls.crt, tls.key and ca.crt for 127.0.0.1 in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", str(folder / "tls.key"), "-out", str(folder / "tls.crt"), "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    (folder / "ca.crt").write_bytes((folder / "tls.crt").read_bytes())
    return folder

"""Ports for servers of tests, which a server binds a while after they were picked."""

import os
import random
import socket
from itertools import cycle

# Below those that the kernel picks by itself (32768 and more) and Kubernetes' node ports, beside the local cluster's,
# and for each worker of xdist a thousand of its own: nobody else binds one before its server does.
_FIRST = 20_000 + 1000 * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 10)
_START = random.randrange(1000)
_PORTS = cycle(_FIRST + (_START + number) % 1000 for number in range(1000))


def free_port() -> int:
    """One that nobody listens on, another one at each call."""
    for port in _PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("never ends")

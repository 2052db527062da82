"""Asking the cluster's DNS a question at its Service address: proves kube-proxy, pod network and CoreDNS."""

import secrets
import socket
import struct

TYPE_A, CLASS_IN, RECURSION_DESIRED = 1, 1, 0x0100
HEADER_BYTES = 12


def query(name: str, identity: int) -> bytes:
    """A DNS query for the address of `name` (RFC 1035, 4.1)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    return (
        struct.pack(">6H", identity, RECURSION_DESIRED, 1, 0, 0, 0)
        + labels
        + b"\0"
        + struct.pack(">2H", TYPE_A, CLASS_IN)
    )


def says_yes(answer: bytes, identity: int) -> bool:
    """Whether a reply belongs to the query, has no error and holds an answer."""
    if len(answer) < HEADER_BYTES:
        return False
    received, flags, _, answers, _, _ = struct.unpack(">6H", answer[:HEADER_BYTES])
    return bool(received == identity and flags & 0x000F == 0 and answers > 0)


def resolves(server: str, name: str) -> bool:
    """Whether `server` knows an address of `name`, asked once over UDP."""
    identity = secrets.randbelow(1 << 16)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1.0)
        try:
            client.sendto(query(name, identity), (server, 53))
            return says_yes(client.recv(512), identity)
        except OSError:
            return False

"""What the process is started with: options, and environment variables as their defaults."""

import argparse
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

PREFIX = "BANKTUNER_UI_"


class SettingsError(Exception):
    """The process cannot start so. The message names the option."""


@dataclass(frozen=True)
class Settings:
    """`gateway_url` has no slash at its end. `secure_cookie`: sent by browsers over https and to localhost only."""

    gateway_url: str
    title: str
    ca_file: Path | None
    host: str
    port: int
    secure_cookie: bool

    def tls(self) -> ssl.SSLContext:
        """The system's authorities, or those of `ca_file` alone. Raises SettingsError where it cannot be read."""
        try:
            return ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(f"--ca-file {self.ca_file}: no PEM file with certificates can be read there") from error


def parse_settings(arguments: list[str], environ: Mapping[str, str] = os.environ) -> Settings:
    """Options before environment variables before defaults. Raises SettingsError."""

    def default(name: str, otherwise: str | None = None) -> str | None:
        return environ.get(PREFIX + name) or otherwise

    parser = argparse.ArgumentParser(prog="banktuner_ui", description="The chat page of a BankingModel.")
    parser.add_argument(
        "--gateway-url", default=default("GATEWAY_URL"), help="such as http://assistant-gateway.bank.svc"
    )
    parser.add_argument("--title", default=default("TITLE", "Banking assistant"))
    parser.add_argument("--ca-file", type=Path, default=default("CA_FILE"), help="PEM; the gateway's authorities")
    # All addresses: the pod's own address is not known here, and the pod's NetworkPolicy says who may call.
    parser.add_argument("--host", default=default("HOST", "0.0.0.0"))
    parser.add_argument("--port", type=int, default=default("PORT", "7860"))
    parser.add_argument(
        "--secure-cookie",
        choices=("yes", "no"),
        default=default("SECURE_COOKIE", "yes"),
        help="no: for plain http under another name than localhost",
    )
    options = parser.parse_args(arguments)
    return Settings(
        gateway_url=_checked_url(options.gateway_url),
        title=options.title,
        ca_file=options.ca_file,
        host=options.host,
        port=options.port,
        secure_cookie=options.secure_cookie == "yes",
    )


def _checked_url(url: str | None) -> str:
    parts = urlsplit(url or "")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise SettingsError(
            f"--gateway-url (or {PREFIX}GATEWAY_URL) must be an http or https URL without user, query and fragment, "
            "such as http://assistant-gateway.bank.svc"
        )
    return (url or "").rstrip("/")

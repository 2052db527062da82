"""Entry point: `python -m banktuner_gateway`."""

import logging
import sys

import uvicorn
from fastapi import FastAPI

from banktuner_gateway.app import create_app
from banktuner_gateway.deps import build_deps
from banktuner_gateway.observability import configure_logging
from banktuner_gateway.settings import Settings, SettingsError, load_settings, parse_arguments

MAX_HEADER_BYTES = 2 * 1024 * 1024
"""Above a megabyte, so that an absurd token gets the same 401 as any other wrong one."""
GRACEFUL_SHUTDOWN_SECONDS = 25
"""Below Kubernetes' default termination grace of 30 s."""
KEEP_ALIVE_SECONDS = 75
"""Above the idle time of usual clients and proxies: then it is they who close, never in the middle of a request."""


def server_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """How uvicorn serves the application."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http="h11",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_SECONDS,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
    )


def main() -> int:
    """Exit code 0 after a graceful stop, 2 when the configuration cannot be read."""
    configure_logging()
    try:
        settings = load_settings(parse_arguments(sys.argv[1:]))
    except SettingsError as error:
        logging.getLogger("banktuner.gateway").error("%s", error)
        return 2
    app = create_app(settings.config, build_deps(settings))
    uvicorn.Server(server_config(app, settings)).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())

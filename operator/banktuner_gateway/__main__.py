"""Entry point: `python -m banktuner_gateway`."""

import gc
import logging
import sys

import uvicorn

from banktuner_gateway.app import create_app
from banktuner_gateway.build import build_deps
from banktuner_gateway.observability import configure_logging
from banktuner_gateway.server import server_config
from banktuner_gateway.settings import SettingsError, load_settings, parse_arguments


def main() -> int:
    """Exit code 0 after a graceful stop, 2 when the configuration, or a model that it names, cannot be used."""
    configure_logging()
    try:
        settings = load_settings(parse_arguments(sys.argv[1:]))
        app = create_app(settings.config, build_deps(settings))
    except SettingsError as error:
        logging.getLogger("banktuner.gateway").error("%s", error)
        return 2
    _keep_what_is_loaded()
    uvicorn.Server(server_config(app, settings)).run()
    return 0


def _keep_what_is_loaded() -> None:
    """Code and models live as long as the process: the collector need not look through them during requests.

    With Python's own thresholds it runs several times a request; what a request leaves is freed by its counts anyway.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)


if __name__ == "__main__":
    sys.exit(main())

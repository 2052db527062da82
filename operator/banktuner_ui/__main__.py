"""Entry point: `python -m banktuner_ui`."""

import logging
import os
import sys

# before Gradio is imported: it reads both then
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"

import uvicorn

from banktuner_ui.app import create_app
from banktuner_ui.settings import SettingsError, parse_settings

GRACEFUL_SHUTDOWN_SECONDS = 20
"""Below Kubernetes' default termination grace of 30 s."""


def main() -> int:
    """Exit code 0 after a graceful stop, 2 when the settings cannot be used."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    try:
        settings = parse_settings(sys.argv[1:])
        app = create_app(settings)
    except SettingsError as error:
        logging.getLogger("banktuner.ui").error("%s", error)
        return 2
    uvicorn.run(
        app, host=settings.host, port=settings.port, ws="none", log_config=None, access_log=False,
        server_header=False, proxy_headers=False, timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_SECONDS,
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())

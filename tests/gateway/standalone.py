"""`python -m tests.gateway.standalone FOLDER`: the real gateway, with a classifier, before the small engine.

For tests whose environment has not the gateway's libraries. Prints its address when it serves.
"""

import asyncio
import sys
from pathlib import Path

from tests.gateway.conftest import pod_files
from tests.gateway.harness import Engine, gateway_config, serve_gateway, settings
from tests.gateway.scope.conftest import write_artifact
from tests.gateway.scope.test_refused_answers import CLASSIFIER
from tests.gateway.trail import VOLUME, make_trail


async def serve(folder: Path) -> None:
    """Until the process is ended."""
    write_artifact(make_trail(pod_files(folder)) / "work" / "classifier")
    async with Engine(says="Open Cards in the app. Your card is frozen.").serve() as engine:
        parts = settings(folder, gateway_config(engine.port, audit=VOLUME, scope=CLASSIFIER))
        async with serve_gateway(parts) as address:
            print(address, flush=True)
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))

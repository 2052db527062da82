"""`python -m banktuner_operator`: run one replica of the operator."""

import asyncio
import logging
import sys

from banktuner_operator.cluster.client import Client
from banktuner_operator.runtime import environment
from banktuner_operator.runtime.process import Process


async def _run(loaded: environment.Environment) -> bool:
    async with await Client.connect() as client:
        return await Process(loaded, client).run()


def main() -> int:
    """Exit code 0 after a signal, 1 after a failure, 2 for settings that cannot be used."""
    try:
        loaded = environment.load()
    except ValueError as error:
        sys.stderr.write(f"banktuner-operator: {error}\n")
        return 2
    logging.basicConfig(
        level=loaded.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stdout
    )
    logging.getLogger("kopf").setLevel(logging.WARNING)
    return 0 if asyncio.run(_run(loaded)) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Command line: `python -m bench.trainer [--only NAME ...] [--device auto|cpu|cuda]`."""

import argparse
import importlib
import logging
import os
import pkgutil
import sys
import warnings

import bench.trainer
from banktuner_trainer.environment import cpu_limit, limit_threads
from bench.trainer import places
from bench.trainer.rows import Measurement, Row, Settings, table, write


def main() -> int:
    """Measure, write build/bench/trainer.json, print the table. Returns 1 where a bar is not reached."""
    # The numeric libraries read these when they are imported, which the measurements' modules do.
    limit_threads(cpu_limit())
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    warnings.filterwarnings("ignore")
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", stream=sys.stdout)
    logging.getLogger("banktuner_trainer").setLevel(logging.INFO)
    measurements = _measurements()
    options = _options([name for one in measurements for name in one.names])
    settings = Settings(_device(options.device), places.DATA, places.SCRATCH)
    rows: list[Row] = []
    for one in measurements:
        wanted = not options.only or set(options.only) & set(one.names)
        if wanted and settings.device in one.devices:
            rows += one.run(settings)
            write(places.OUTPUT, rows)
    print(table(rows))
    return 0 if rows and all(row.passes for row in rows) else 1


def _options(names: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.trainer", description=__doc__)
    parser.add_argument("--only", action="append", choices=names, help="only this row and those measured with it")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="auto: CUDA where it is")
    return parser.parse_args()


def _measurements() -> list[Measurement]:
    """Those of every module of this package that has some, as its MEASUREMENTS."""
    found: list[Measurement] = []
    for module in pkgutil.iter_modules(bench.trainer.__path__):
        if module.name != "__main__":
            found.extend(getattr(importlib.import_module(f"bench.trainer.{module.name}"), "MEASUREMENTS", ()))
    return found


def _device(wanted: str) -> str:
    import torch

    if wanted != "auto":
        return wanted
    return "cuda" if torch.cuda.is_available() else "cpu"


if __name__ == "__main__":
    sys.exit(main())

"""Command line: `python -m bench.trainer [--only NAME ...] [--device auto|cpu|cuda]`."""

import argparse
import logging
import os
import sys
import warnings

import bench.trainer
from banktuner_trainer.environment import cpu_limit, limit_threads
from bench import places
from bench.command import measure, measurements
from bench.rows import Settings


def main() -> int:
    """Measure, write build/bench/trainer.json, print the table. Returns 1 where a bar is not reached."""
    # The numeric libraries read these when they are imported, which the measurements' modules do.
    limit_threads(cpu_limit())
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    warnings.filterwarnings("ignore")
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", stream=sys.stdout)
    logging.getLogger("banktuner_trainer").setLevel(logging.INFO)
    found = measurements(bench.trainer)
    options = _options([name for one in found for name in one.names])
    settings = Settings(_device(options.device), places.DATA, places.SCRATCH)
    return measure(found, options.only, settings, places.SCRATCH / "trainer.json")


def _options(names: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.trainer", description=__doc__)
    parser.add_argument("--only", action="append", choices=names, help="only this row and those measured with it")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="auto: CUDA where it is")
    return parser.parse_args()


def _device(wanted: str) -> str:
    import torch

    if wanted == "cpu":
        # torch asks for it at the first use of CUDA, and the jobs that are started inherit it.
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if wanted != "auto":
        return wanted
    return "cuda" if torch.cuda.is_available() else "cpu"


if __name__ == "__main__":
    sys.exit(main())

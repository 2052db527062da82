"""Command line: `python -m bench.gateway [--only NAME ...]`."""

import argparse
import sys

import bench.gateway
from bench import places
from bench.command import measure, measurements
from bench.rows import Settings


def main() -> int:
    """Measure, write build/bench/gateway.json, print the table. Returns 1 where a bar is not reached."""
    found = measurements(bench.gateway)
    names = [name for one in found for name in one.names]
    parser = argparse.ArgumentParser(prog="bench.gateway", description=__doc__)
    parser.add_argument("--only", action="append", choices=names, help="only this row and those measured with it")
    options = parser.parse_args()
    settings = Settings("cpu", places.DATA, places.SCRATCH)
    return measure(found, options.only, settings, places.SCRATCH / "gateway.json")


if __name__ == "__main__":
    sys.exit(main())

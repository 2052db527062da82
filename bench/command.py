"""What both benchmarks' command lines do: find the measurements of a package, run those that are asked for, tell."""

import importlib
import pkgutil
from collections.abc import Collection, Sequence
from pathlib import Path
from types import ModuleType

from bench.rows import Measurement, Row, Settings, table, write


def measurements(package: ModuleType) -> list[Measurement]:
    """Those of every module of the package that has some, as its MEASUREMENTS."""
    found: list[Measurement] = []
    for module in pkgutil.iter_modules(package.__path__):
        if module.name != "__main__":
            found.extend(getattr(importlib.import_module(f"{package.__name__}.{module.name}"), "MEASUREMENTS", ()))
    return found


def measure(found: Sequence[Measurement], only: Collection[str] | None, settings: Settings, output: Path) -> int:
    """Measure, write `output`, print the table. Returns 1 where a bar is not reached. `only`: names of rows."""
    rows: list[Row] = []
    for one in found:
        wanted = not only or set(only) & set(one.names)
        if wanted and settings.device in one.devices:
            rows += one.run(settings)
            write(output, rows)
    print(table(rows))
    return 0 if rows and all(row.passes for row in rows) else 1

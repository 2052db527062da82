"""Is a live child what we want? The API server adds defaults, so what we want must be part of what is there."""

from typing import Any

from banktuner_api.common import Json
from banktuner_operator.manifests.metadata import APPLIED_ANNOTATION


def by_name(children: tuple[Json, ...]) -> dict[tuple[str, str], Json]:
    """Live children by (kind, name)."""
    return {(child["kind"], child["metadata"]["name"]): child for child in children}


def needed(wanted: list[Json], live: tuple[Json, ...]) -> tuple[Json, ...]:
    """Those of the wanted children that are absent or differ."""
    there = by_name(live)
    return tuple(child for child in wanted if differs(child, there.get((child["kind"], child["metadata"]["name"]))))


def differs(wanted: Json, live: Json | None) -> bool:
    """Must this child be applied? The stamp tells a field that is no longer wanted, the comparison a foreign change."""
    if live is None:
        return True
    stamps = [child["metadata"].get("annotations", {}).get(APPLIED_ANNOTATION) for child in (wanted, live)]
    return stamps[0] != stamps[1] or not contains(live, wanted)


def contains(live: Any, wanted: Any) -> bool:
    """Every field of `wanted` is in `live` with that value; lists must have the same length. Empty means absent."""
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(_field(live, key, value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(live, list) and len(live) == len(wanted) and all(map(contains, live, wanted))
    return bool(live == wanted)


def _field(live: Json, key: str, value: Any) -> bool:
    if value in ({}, [], "") and key not in live:
        return True
    return key in live and contains(live[key], value)

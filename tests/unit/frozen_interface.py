"""What parts of different versions agree on: `python -m tests.unit.frozen_interface` writes it down for a review."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from banktuner_api import agent, checkpoint, handshake, manifest, names, run_config, serving
from banktuner_api.common import ApiModel
from banktuner_api.exit_codes import RETRYABLE, ExitCode
from banktuner_stager.main import _parser
from banktuner_trainer.settings import paths_from
from tests.unit.operator_samples import GATEWAY, job_children, job_owner, model_children, model_owner

FROZEN = Path(__file__).with_suffix(".json")
MODULES = (agent, checkpoint, handshake, manifest, run_config, serving)
Json = dict[str, Any]


class Asked(Mapping[str, str]):
    """An empty environment that remembers what it was asked for."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __getitem__(self, name: str) -> str:
        self.names.append(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def interface() -> Json:
    """Schemas of everything on a wire or in a file, exit codes, file names, and what containers are started with."""
    asked = Asked()
    paths_from(asked)
    return {
        "schemas": {model.__name__: _plain(model.model_json_schema()) for model in _models()},
        "exitCodes": {code.name: {"code": int(code), "retryable": code in RETRYABLE} for code in ExitCode},
        "constants": {
            f"{module.__name__.rpartition('.')[2]}.{name}": _value(value)
            for module in (names, handshake, checkpoint, manifest, serving)
            for name, value in sorted(vars(module).items())
            if name.isupper() and not name.startswith("_") and not isinstance(value, type)
        },
        "trainerEnvironment": asked.names,
        "stagerArguments": {
            action.dest: sorted(map(str, action.choices)) if action.choices else action.option_strings
            for action in _parser()._actions
        },
        "containers": _containers(job_children(job_owner()))
        | _containers(model_children(model_owner()))
        | _containers(model_children(model_owner(gateway=GATEWAY, ui={"enabled": True}))),
    }


def _models() -> list[type[ApiModel]]:
    found = {
        thing
        for module in MODULES
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, ApiModel) and thing.__module__ == module.__name__
    }
    return sorted(found, key=lambda model: model.__name__)


def _plain(schema: Any) -> Any:
    """Without words for humans, which may be changed by anybody."""
    if isinstance(schema, list):
        return [_plain(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _plain(entry) for name, entry in value.items()} if key in ("properties", "$defs") else _plain(value)
        for key, value in schema.items()
        if key not in ("description", "title")
    }


def _value(value: Any) -> Any:
    if isinstance(value, frozenset | tuple):
        return sorted(map(str, value))
    return value if isinstance(value, str | int | float) else str(value)


def _containers(children: list[Json]) -> Json:
    """Of each workload's pods: command, names of environment variables, mounts."""
    found: Json = {}
    for child in children:
        pod = child.get("spec", {}).get("template", {}).get("spec")
        if pod is None:
            continue
        part = child["metadata"]["labels"][names.LABEL_COMPONENT]
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            found[f"{part}/{container['name']}"] = {
                "command": container.get("command"),
                "environment": sorted(entry["name"] for entry in container.get("env", [])),
                "mounts": {mount["mountPath"]: mount.get("readOnly", False) for mount in container["volumeMounts"]},
            }
        found[f"{part}/graceSeconds"] = pod.get("terminationGracePeriodSeconds")
    return found


if __name__ == "__main__":
    FROZEN.write_text(json.dumps(interface(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    sys.stdout.write(f"{FROZEN.name} is written: review the difference\n")

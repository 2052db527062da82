"""Generates the CRDs from the pydantic models: `python -m banktuner_api.crdgen [--check]`, run at the repository's top.

Writes crds/ and the chart's copies; `--check` exits 1 when a file differs from what would be written.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from banktuner_api import names
from banktuner_api.bankingmodel import BankingModel
from banktuner_api.common import Json
from banktuner_api.finetunejob import FineTuneJob

HEADER = "# Generated from operator/banktuner_api by `make generate`. Do not edit.\n"
NAME_RULE = {
    "rule": "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')"
    f" && size(self.metadata.name) <= {names.MAX_NAME}",
    "message": f"metadata.name must be an RFC 1035 label of at most {names.MAX_NAME} characters",
}
DROPPED = ("title", "$defs", "additionalProperties")


class _PlainDumper(yaml.SafeDumper):
    """Writes every value out: no anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _column(name: str, path: str, kind: str = "string", priority: int = 0) -> Json:
    column: Json = {"name": name, "type": kind, "jsonPath": path}
    return column | ({"priority": priority} if priority else {})


def _condition(kind: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


AGE = _column("Age", ".metadata.creationTimestamp", "date")
FINE_TUNE_JOB_COLUMNS = [
    _column("Method", ".spec.method"),
    _column("Phase", ".status.phase"),
    _column("Progress", ".status.trainerStatus.progressPercentage", "integer"),
    _column("Eval", _condition("EvaluationPassed", "status")),
    _column("Attempts", ".status.attempts", "integer", 1),
    _column("ETA", ".status.trainerStatus.estimatedRemainingSeconds", "integer", 1),
    _column("Message", _condition("Running", "message"), priority=1),
    AGE,
]
BANKING_MODEL_COLUMNS = [
    _column("Engine", ".status.engine"),
    _column("Ready", _condition("Ready", "status")),
    _column("Replicas", ".status.readyReplicas", "integer"),
    _column("Adapters", ".status.adaptersReady"),
    _column("URL", ".status.url"),
    _column("Reason", _condition("Ready", "reason"), priority=1),
    AGE,
]
SCALE = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": ".status.selector",
}


def structural(schema: Json, defs: Json) -> Json:
    """A pydantic JSON schema as a structural schema: references inlined, no null branches, no titles."""
    if "$ref" in schema:
        target = defs[schema["$ref"].rpartition("/")[2]]
        return structural(target | {key: value for key, value in schema.items() if key != "$ref"}, defs)
    if "anyOf" in schema and "x-kubernetes-int-or-string" not in schema:
        (branch,) = (entry for entry in schema["anyOf"] if entry.get("type") != "null")
        rest = {key: value for key, value in schema.items() if key != "anyOf"}
        return structural(branch | rest, defs)
    made = {key: _value(key, value, defs) for key, value in schema.items() if _kept(key, value)}
    if isinstance(made.get("default"), dict):
        # Written out: the API server asks the rules of an object about its default as it stands here.
        made["default"] = {name: field["default"] for name, field in made["properties"].items() if "default" in field}
    return made


def _kept(key: str, value: Any) -> bool:
    return key not in DROPPED and not (key == "default" and value is None)


def _value(key: str, value: Any, defs: Json) -> Any:
    if key == "properties":
        return {name: structural(field, defs) for name, field in value.items()}
    if key == "items":
        return structural(value, defs)
    return " ".join(value.split()) if key == "description" else value


def _without_defaults(schema: Any) -> Any:
    """A status holds what was written, nothing that the API server filled in."""
    if isinstance(schema, list):
        return [_without_defaults(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _without_defaults(value) for key, value in schema.items() if key != "default"}


def crd(kind: type[FineTuneJob] | type[BankingModel], columns: list[Json], subresources: Json) -> Json:
    """The CustomResourceDefinition of one kind."""
    schema = kind.model_json_schema(by_alias=True)
    properties = {name: structural(field, schema["$defs"]) for name, field in schema["properties"].items()}
    properties["status"] = _without_defaults(properties["status"])
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.PLURAL}.{names.GROUP}", "annotations": {"helm.sh/resource-policy": "keep"}},
        "spec": {
            "group": names.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.KIND,
                "listKind": f"{kind.KIND}List",
                "plural": kind.PLURAL,
                "singular": kind.KIND.lower(),
                "shortNames": [kind.SHORT_NAME],
                "categories": ["banktuner"],
            },
            "versions": [
                {
                    "name": names.VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}} | subresources,
                    "additionalPrinterColumns": columns,
                    "schema": {"openAPIV3Schema": _root(kind.__doc__ or "", properties)},
                }
            ],
        },
    }


def _root(description: str, properties: Json) -> Json:
    meta = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
    return {
        "type": "object",
        "description": description,
        "required": ["spec"],
        "properties": meta | properties,
        "x-kubernetes-validations": [NAME_RULE],
    }


def generated(top: Path) -> dict[Path, str]:
    """Every generated file and its text; `top` is the repository's top folder."""
    files: dict[Path, str] = {}
    for kind, columns, subresources in (
        (FineTuneJob, FINE_TUNE_JOB_COLUMNS, {}),
        (BankingModel, BANKING_MODEL_COLUMNS, {"scale": SCALE}),
    ):
        body = yaml.dump(
            crd(kind, columns, subresources), Dumper=_PlainDumper, sort_keys=False, width=120, allow_unicode=True
        )
        file = f"{names.GROUP}_{kind.PLURAL}.yaml"
        files[top / "crds" / file] = HEADER + body
        files[top / "charts/banktuner/templates/crds" / file] = HEADER + body
    return files


def main() -> int:
    """Write the files, or with --check only compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = {p: text for p, text in generated(Path.cwd()).items() if not p.exists() or p.read_text("utf-8") != text}
    for path, text in stale.items():
        sys.stderr.write(f"{'differs' if check else 'wrote'}: {path.relative_to(Path.cwd())}\n")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

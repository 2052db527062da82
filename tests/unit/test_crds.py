"""Rules that every field of the generated CRDs keeps (after kube-api-linter)."""

from collections.abc import Iterator
from typing import Any

import pytest

from banktuner_api import crdgen
from banktuner_api.bankingmodel import BankingModel
from banktuner_api.finetunejob import FineTuneJob

KINDS = {
    "FineTuneJob": crdgen.crd(FineTuneJob, crdgen.FINE_TUNE_JOB_COLUMNS, {}),
    "BankingModel": crdgen.crd(BankingModel, crdgen.BANKING_MODEL_COLUMNS, {"scale": crdgen.SCALE}),
}


def schema_of(kind: str) -> dict[str, Any]:
    return KINDS[kind]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def walk(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        if path or name in ("spec", "status"):
            yield from walk(field, f"{path}.{name}")
    if "items" in schema:
        yield from walk(schema["items"], f"{path}[]")


@pytest.mark.parametrize("kind", KINDS)
def test_every_string_list_and_number_is_bounded(kind: str) -> None:
    unbounded = []
    for path, field in walk(schema_of(kind)):
        if field.get("type") == "string" and not {"maxLength", "enum", "const"} & field.keys():
            unbounded.append(f"{path}: maxLength")
        if field.get("type") == "array" and "maxItems" not in field:
            unbounded.append(f"{path}: maxItems")
        if field.get("type") in ("integer", "number") and ".spec" in path and not {"minimum", "enum"} & field.keys():
            unbounded.append(f"{path}: minimum")
    allowed = [".spec.evaluation.thresholds[].atLeast: minimum", ".spec.evaluation.thresholds[].atMost: minimum"]
    assert [entry for entry in unbounded if entry not in allowed] == []


@pytest.mark.parametrize("kind", KINDS)
def test_schema_is_structural(kind: str) -> None:
    for path, field in walk(schema_of(kind)):
        assert "$ref" not in field and "const" not in field, path
        assert "type" in field or field.get("x-kubernetes-int-or-string"), f"{path} has no type"
        assert not any(branch.get("type") == "null" for branch in field.get("anyOf", [])), path


@pytest.mark.parametrize("kind", KINDS)
def test_conditions_are_a_map_by_type(kind: str) -> None:
    conditions = schema_of(kind)["properties"]["status"]["properties"]["conditions"]
    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]


@pytest.mark.parametrize("kind", KINDS)
def test_status_has_no_defaults(kind: str) -> None:
    assert [path for path, field in walk(schema_of(kind)) if path.startswith(".status") and "default" in field] == []


@pytest.mark.parametrize("kind", KINDS)
def test_no_field_opens_the_pod_template(kind: str) -> None:
    closed = {"image", "command", "args", "env", "volumes", "serviceAccountName", "securityContext", "namespace"}
    for path, field in walk(schema_of(kind)):
        assert not closed & field.get("properties", {}).keys(), path


@pytest.mark.parametrize("kind", KINDS)
def test_printer_columns_read_conditions_by_type(kind: str) -> None:
    for column in KINDS[kind]["spec"]["versions"][0]["additionalPrinterColumns"]:
        assert "[-1:]" not in column["jsonPath"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_default_of_an_object_is_what_its_fields_default_to(kind: str) -> None:
    """The API server asks an object's rules about its default as it is written, without the fields' own defaults."""
    for path, field in walk(schema_of(kind)):
        if isinstance(field.get("default"), dict):
            fields = {name: one["default"] for name, one in field["properties"].items() if "default" in one}
            assert field["default"] == fields, path

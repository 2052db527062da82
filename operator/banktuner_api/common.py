"""Types that both kinds share: references, quantities, conditions."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

Json = dict[str, Any]


class ApiModel(BaseModel):
    """Immutable, camelCase on the wire, unknown fields refused."""

    model_config = ConfigDict(
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        use_attribute_docstrings=True,
    )

    def to_json(self) -> Json:
        """The object as the API server or a pod reads it: camelCase, nothing that is None."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def cel(*rules: tuple[str, str]) -> ConfigDict:
    """Model configuration that carries (CEL rule, message) pairs into the generated schema."""
    validations = [{"rule": rule, "message": message} for rule, message in rules]
    return ConfigDict(json_schema_extra={"x-kubernetes-validations": validations})  # type: ignore[dict-item]


def map_list(*keys: str) -> Json:
    """Schema extension of a list whose entries are told apart by `keys`."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


DNS_LABEL = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
Name = Annotated[str, Field(min_length=1, max_length=63, pattern=DNS_LABEL)]
SecretName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
Uri = Annotated[
    str,
    Field(
        min_length=6,
        max_length=1024,
        pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._=+ -]+)*/?$",
        description="s3://bucket/path. No user info, no '..', no query.",
    ),
]
Digest = Annotated[str, Field(max_length=71, pattern=r"^sha256:[0-9a-f]{64}$")]
QUANTITY = r"^[0-9]{1,12}(\.[0-9]{1,6})?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"
Quantity = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, int) else value),
    Field(max_length=24, pattern=QUANTITY),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "maxLength": 24,
            "pattern": QUANTITY,
        }
    ),
]
URI_RULE = ("!has(self.uri) || !self.uri.contains('/..')", "uri must not contain '..'")


class LocalRef(ApiModel):
    """Reference to an object of our own group in the same namespace."""

    name: Name


class SecretRef(ApiModel):
    """A Secret in the same namespace with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL, AWS_REGION."""

    name: SecretName


class Resources(ApiModel):
    """What the main container of a pod gets. `cpu` in cores, sizes in bytes, all as Kubernetes quantities."""

    gpus: Annotated[int, Field(ge=0, le=64)] = 0
    """Number of nvidia.com/gpu."""
    cpu: Quantity = "2"
    """Cores."""
    memory: Quantity = "4Gi"
    ephemeral_storage: Quantity = "20Gi"
    """Room for the model, the data and the result."""


class ConditionStatus(StrEnum):
    """The three values of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(ApiModel):
    """metav1.Condition."""

    type: Annotated[str, Field(min_length=1, max_length=63)]
    status: ConditionStatus
    reason: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Z][A-Za-z0-9]*$")]
    message: Annotated[str, Field(max_length=1024)] = ""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    last_transition_time: Annotated[str, Field(max_length=32, json_schema_extra={"format": "date-time"})]


Conditions = Annotated[list[Condition], Field(max_length=16, json_schema_extra=map_list("type"))]
Timestamp = Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"})]
"""RFC 3339, UTC, such as 2026-01-31T12:00:00Z."""


class Metric(ApiModel):
    """One evaluated number. `baseline` is the untuned model's value; numbers are decimal strings, as in Kubeflow's."""

    name: Annotated[str, Field(min_length=1, max_length=63)]
    value: Annotated[str, Field(max_length=32)]
    baseline: Annotated[str, Field(max_length=32)] | None = None


Metrics = Annotated[list[Metric], Field(max_length=64, json_schema_extra=map_list("name"))]
Precision = Literal["Auto", "BF16", "FP16", "FP32"]

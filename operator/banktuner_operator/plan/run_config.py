"""spec -> run.json: every choice that the user left open is made here, and can be read in the ConfigMap."""

from dataclasses import dataclass, field

from banktuner_api import names
from banktuner_api.common import Json, SecretRef
from banktuner_api.finetunejob_data import Format
from banktuner_api.finetunejob_evaluation import Evaluation, Suite
from banktuner_api.finetunejob_methods import Adapter, Ia3, Lora, Method, PrefixTuning, Quantization
from banktuner_api.finetunejob_spec import FineTuneJobSpec, Task
from banktuner_api.run_config import (
    DatasetInput,
    EvaluationConfig,
    JobIdentity,
    Limits,
    ObjectRef,
    Prices,
    RunConfig,
)
from banktuner_operator.manifests import quantity
from banktuner_operator.manifests.metadata import Owner
from banktuner_operator.plan import defaults

VALIDATION_PERCENT = 5
FORMATS = {Task.INSTRUCTION: Format.ALPACA, Task.CLASSIFICATION: Format.TEXT_LABEL, Task.PRETRAINING: Format.TEXT}
LORA_METHODS = frozenset({Method.LORA, Method.QLORA})


@dataclass(frozen=True)
class Place:
    """Where an attempt runs, and what is not in the job itself.

    `model`: what it starts from (None: from scratch); `promoted`: the artifact to compare with.
    """

    owner: Owner
    attempt: int
    model: ObjectRef | None
    agent_url: str
    promoted: ObjectRef | None = None
    prices: Prices = field(default_factory=Prices)


def run_config(spec: FineTuneJobSpec, place: Place) -> RunConfig:
    """The settings of one attempt."""
    owner = place.owner
    return RunConfig(
        job=JobIdentity(namespace=owner.namespace, name=owner.name, uid=owner.uid, attempt=place.attempt),
        task=spec.task,
        method=spec.method,
        model=place.model,
        architecture=spec.model.architecture,
        dataset=_dataset(spec),
        **_method(spec),
        training=defaults.training(spec),
        checkpoint=spec.checkpoint,
        checkpoints=ObjectRef(uri=checkpoints_uri(spec, owner), credentials=prefix(spec.output.secret_ref)),
        evaluation=_evaluation(spec, place.promoted),
        formats=spec.output.formats or [],
        tracking=spec.tracking,
        limits=_limits(spec),
        prices=place.prices,
        nodes=spec.nodes,
        output=ObjectRef(uri=artifact_uri(spec, place), credentials=prefix(spec.output.secret_ref)),
        agent_url=place.agent_url,
    )


def artifact_uri(spec: FineTuneJobSpec, place: Place) -> str:
    """Folder of the attempt's artifact."""
    owner = place.owner
    return f"{spec.output.uri.rstrip('/')}/{owner.namespace}/{owner.name}/{owner.uid}/{place.attempt}"


def checkpoints_uri(spec: FineTuneJobSpec, owner: Owner) -> str:
    """Folder of the checkpoints of all attempts of a job."""
    return f"{spec.output.uri.rstrip('/')}/{owner.namespace}/{owner.name}/{owner.uid}/checkpoints"


def prefix(reference: SecretRef | None) -> str | None:
    """Prefix of the environment variables with a Secret's keys."""
    return names.secret_env_prefix(reference.name) if reference else None


def _method(spec: FineTuneJobSpec) -> Json:
    """The method's own block, with its defaults where the user wrote none."""
    method = spec.method
    return {
        "lora": (spec.lora or Lora()) if method in LORA_METHODS else None,
        "quantization": (spec.quantization or Quantization()) if method == Method.QLORA else None,
        "ia3": (spec.ia3 or Ia3()) if method == Method.IA3 else None,
        "prefix_tuning": (spec.prefix_tuning or PrefixTuning()) if method == Method.PREFIX_TUNING else None,
        "adapter": (spec.adapter or Adapter()) if method == Method.ADAPTER else None,
    }


def _evaluation(spec: FineTuneJobSpec, promoted: ObjectRef | None) -> EvaluationConfig:
    asked = spec.evaluation or Evaluation()
    encoder = asked.encoder
    return EvaluationConfig(
        suites=_suites(spec) if asked.suites is None else asked.suites,
        thresholds=asked.thresholds,
        compare_with=asked.compare_with,
        encoder=ObjectRef(uri=encoder.uri, credentials=prefix(encoder.secret_ref)) if encoder else None,
        promoted=promoted,
        max_rows=asked.max_rows,
    )


def _suites(spec: FineTuneJobSpec) -> list[Suite]:
    if spec.task == Task.CLASSIFICATION:
        return [Suite.INTENT, *([Suite.SCOPE] if spec.dataset.out_of_scope_uri else [])]
    return [Suite.PERPLEXITY] if spec.task == Task.PRETRAINING else [Suite.PERPLEXITY, Suite.GENERATION]


def _limits(spec: FineTuneJobSpec) -> Limits:
    asked = spec.resources
    return Limits(
        gpus=asked.gpus,
        cpus=float(quantity.parse(asked.cpu)),
        memory_bytes=int(quantity.parse(asked.memory)),
    )


def _dataset(spec: FineTuneJobSpec) -> DatasetInput:
    dataset, credentials = spec.dataset, prefix(spec.dataset.secret_ref)
    test = ObjectRef(uri=dataset.test_uri, credentials=credentials) if dataset.test_uri else None
    strangers = ObjectRef(uri=dataset.out_of_scope_uri, credentials=credentials) if dataset.out_of_scope_uri else None
    return DatasetInput(
        train=ObjectRef(uri=dataset.uri, credentials=credentials),
        test=test,
        out_of_scope=strangers,
        refusal=dataset.refusal or names.REFUSAL,
        validation_percent=0 if test else dataset.validation_percent or VALIDATION_PERCENT,
        format=dataset.format or FORMATS[spec.task],
        columns=dataset.columns,
        preset=dataset.preset,
    )

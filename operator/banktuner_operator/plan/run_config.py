"""spec -> run.json: every choice that the user left open is made here, and can be read in the ConfigMap."""

from dataclasses import dataclass

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
    RunConfig,
    TrainingConfig,
)
from banktuner_operator.manifests import quantity
from banktuner_operator.manifests.metadata import Owner

VALIDATION_PERCENT = 5
EPOCHS = 3
WARMUP_SHARE = 0.03
FORMATS = {Task.INSTRUCTION: Format.ALPACA, Task.CLASSIFICATION: Format.TEXT_LABEL, Task.PRETRAINING: Format.TEXT}
BATCH_SIZES = {Task.INSTRUCTION: 8, Task.CLASSIFICATION: 32, Task.PRETRAINING: 16}
MAX_LENGTHS = {Task.INSTRUCTION: 1024, Task.CLASSIFICATION: 128, Task.PRETRAINING: 512}
LORA_METHODS = frozenset({Method.LORA, Method.QLORA})


@dataclass(frozen=True)
class Place:
    """Where an attempt runs, and the model it starts from (None: from scratch)."""

    owner: Owner
    attempt: int
    model: ObjectRef | None
    agent_url: str


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
        training=_training(spec),
        checkpoint=spec.checkpoint,
        checkpoints=ObjectRef(uri=checkpoints_uri(spec, owner), credentials=prefix(spec.output.secret_ref)),
        evaluation=_evaluation(spec),
        formats=spec.output.formats or [],
        tracking=spec.tracking,
        limits=_limits(spec),
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


def _evaluation(spec: FineTuneJobSpec) -> EvaluationConfig:
    asked = spec.evaluation or Evaluation()
    encoder = asked.encoder
    return EvaluationConfig(
        suites=_suites(spec) if asked.suites is None else asked.suites,
        thresholds=asked.thresholds,
        compare_with=asked.compare_with,
        encoder=ObjectRef(uri=encoder.uri, credentials=prefix(encoder.secret_ref)) if encoder else None,
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
        disk_bytes=int(quantity.parse(asked.ephemeral_storage)),
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


def _training(spec: FineTuneJobSpec) -> TrainingConfig:
    asked = spec.training
    return TrainingConfig(
        epochs=asked.epochs if asked.epochs or asked.max_steps else EPOCHS,
        max_steps=asked.max_steps,
        batch_size=asked.batch_size or BATCH_SIZES[spec.task],
        gradient_accumulation_steps=asked.gradient_accumulation_steps,
        learning_rate=asked.learning_rate or learning_rate(spec.task, spec.method),
        scheduler=asked.scheduler,
        warmup_steps=_warmup(asked.warmup_steps, asked.warmup_percent),
        max_length=asked.max_length or _max_length(spec),
        packing=_chosen(asked.packing, spec.task == Task.PRETRAINING),
        gradient_checkpointing=_chosen(asked.gradient_checkpointing, _checkpointing_pays(spec)),
        precision=asked.precision,
        seed=asked.seed,
        label_smoothing=asked.label_smoothing,
        early_stopping=asked.early_stopping,
    )


def learning_rate(task: Task, method: Method) -> float:
    """Usual rates: adapters take larger ones than whole models, new classification heads larger still."""
    if task == Task.PRETRAINING:
        return 1e-3
    if method == Method.FULL:
        return 2e-5
    return 2e-3 if task == Task.CLASSIFICATION else 2e-4


def _max_length(spec: FineTuneJobSpec) -> int:
    architecture = spec.model.architecture
    return architecture.context_length if architecture else MAX_LENGTHS[spec.task]


def _warmup(steps: int | None, percent: int | None) -> float:
    if steps is not None:
        return float(steps)
    return WARMUP_SHARE if percent is None else percent / 100


def _checkpointing_pays(spec: FineTuneJobSpec) -> bool:
    """It saves GPU memory for time; on a CPU, and on short sequences, time is what is scarce."""
    return spec.resources.gpus > 0 and spec.task != Task.CLASSIFICATION


def _chosen(asked: bool | None, default: bool) -> bool:
    return default if asked is None else asked

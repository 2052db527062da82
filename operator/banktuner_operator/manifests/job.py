"""The Job of one attempt: init `stage`, native sidecar `publish`, container `trainer`."""

from dataclasses import dataclass
from math import ceil

from banktuner_api import names
from banktuner_api.common import Json, SecretRef
from banktuner_api.exit_codes import FINAL
from banktuner_api.finetunejob_spec import FineTuneJobSpec
from banktuner_operator.manifests import configmap, pod, quantity, security
from banktuner_operator.manifests.metadata import TEMPLATE_ANNOTATION, Owner, digest
from banktuner_operator.settings import Profile, Settings

GRACE_SECONDS = 120
"""Time for a checkpoint between SIGTERM and SIGKILL."""


@dataclass(frozen=True)
class Attempt:
    """Everything that the Job of one attempt is made of."""

    owner: Owner
    spec: FineTuneJobSpec
    number: int
    profile: Profile
    queue: str | None = None
    base_secret: str | None = None
    """Secret of the job whose artifact is the model, where spec.model.fineTuneJob names one."""

    @property
    def name(self) -> str:
        """Name of the Job."""
        return self.owner.child(str(self.number))


def training_job(attempt: Attempt, settings: Settings) -> Json:
    """The Job as it is created. Its template is never changed afterwards."""
    meta = attempt.owner.metadata(attempt.name, "training")
    meta["labels"][names.LABEL_ATTEMPT] = str(attempt.number)
    if attempt.queue:
        meta["labels"][names.KUEUE_QUEUE_LABEL] = attempt.queue
    template = _template(attempt, settings)
    meta["annotations"] = {TEMPLATE_ANNOTATION: digest(template)}
    spec: Json = {
        "backoffLimit": 0,
        "completions": 1,
        "parallelism": 1,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": _failure_rules()},
        "suspend": attempt.spec.suspend or attempt.queue is not None,
        "template": template,
    }
    if attempt.spec.active_deadline_seconds is not None:
        spec["activeDeadlineSeconds"] = attempt.spec.active_deadline_seconds
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec}


def _failure_rules() -> list[Json]:
    """Disruptions do not count; codes that cannot get better end the Job and say so."""
    ignore = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    codes = sorted(int(code) for code in FINAL)
    return [
        ignore,
        *(
            {
                "action": "FailJob",
                "onExitCodes": {"containerName": container, "operator": "In", "values": codes},
            }
            for container in ("stage", "trainer")
        ),
    ]


def _template(attempt: Attempt, settings: Settings) -> Json:
    labels = attempt.owner.labels("training") | {names.LABEL_ATTEMPT: str(attempt.number)}
    spec: Json = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "initContainers": [
            _stager("stage", attempt, settings),
            _stager("publish", attempt, settings) | {"restartPolicy": "Always"},
        ],
        "containers": [_trainer(attempt, settings)],
        "volumes": _volumes(attempt),
        **security.identity(),
        **pod.placement(attempt.profile, settings),
    }
    if attempt.spec.priority_class_name:
        spec["priorityClassName"] = attempt.spec.priority_class_name
    return {"metadata": {"labels": labels}, "spec": spec}


def _volumes(attempt: Attempt) -> list[Json]:
    config = configmap.run_name(attempt.owner, attempt.number)
    return [
        pod.empty_dir("work", attempt.spec.resources.ephemeral_storage),
        pod.empty_dir("tmp", pod.TMP_SIZE),
        pod.empty_dir("shm", "1Gi", "Memory"),
        pod.config_volume(config, [names.RUN_CONFIG_KEY, names.CA_KEY]),
        security.token_volume(),
    ]


def _stager(step: str, attempt: Attempt, settings: Settings) -> Json:
    return pod.Container(
        name=step,
        image=settings.images.operator,
        command=["python", "-m", "banktuner_stager", step],
        resources=pod.helper_resources(attempt.profile),
        env={"HOME": "/tmp"},
        secrets=_secrets(attempt),
        mounts=[pod.WORK, pod.CONFIG, security.token_mount()],
    ).build(settings)


def _trainer(attempt: Attempt, settings: Settings) -> Json:
    threads = ceil(quantity.parse(attempt.spec.resources.cpu))
    return pod.Container(
        name="trainer",
        image=attempt.profile.images.trainer or settings.images.trainer,
        command=["python", "-m", "banktuner_trainer"],
        resources=pod.main_resources(attempt.spec.resources, attempt.profile),
        env={
            "HOME": "/tmp",
            "USER": "banktuner",
            "HF_HOME": "/tmp/huggingface",
            "HF_HUB_OFFLINE": "1",
            "HF_DATASETS_OFFLINE": "1",
            "OMP_NUM_THREADS": str(threads),
            "TOKENIZERS_PARALLELISM": "false",
        },
        mounts=[pod.WORK, pod.CONFIG, pod.SHM, security.token_mount()],
    ).build(settings)


def _secrets(attempt: Attempt) -> list[str]:
    base = {attempt.base_secret} if attempt.base_secret else set()
    return sorted(base | {name for _, name in secret_fields(attempt.spec)})


def secret_fields(spec: FineTuneJobSpec) -> list[tuple[str, str]]:
    """(field, Secret name) of every Secret that a job names."""
    named = (
        ("spec.model.secretRef", spec.model.secret_ref),
        ("spec.dataset.secretRef", spec.dataset.secret_ref),
        ("spec.output.secretRef", spec.output.secret_ref),
        ("spec.evaluation.encoder.secretRef", _encoder_secret(spec)),
    )
    return [(path, reference.name) for path, reference in named if reference]


def _encoder_secret(spec: FineTuneJobSpec) -> SecretRef | None:
    return spec.evaluation.encoder.secret_ref if spec.evaluation and spec.evaluation.encoder else None

"""The pod of one attempt: init `stage`, native sidecars `publish` and `track`, container `trainer`."""

from dataclasses import dataclass
from math import ceil

from banktuner_api import names
from banktuner_api.common import Json, SecretRef
from banktuner_api.finetunejob_spec import FineTuneJobSpec, Tracking
from banktuner_operator.manifests import configmap, pod, quantity, security, service
from banktuner_operator.manifests.metadata import Owner
from banktuner_operator.settings import Profile, Settings

SecretFields = list[tuple[str, str]]
"""(field of the spec, Secret name)"""


@dataclass(frozen=True)
class Attempt:
    """Everything that the Job of one attempt is made of."""

    owner: Owner
    spec: FineTuneJobSpec
    number: int
    profile: Profile
    queue: str | None = None
    input_secrets: tuple[str, ...] = ()
    """Secrets of the jobs whose artifacts are the model and what it is compared with."""

    @property
    def name(self) -> str:
        """Name of the Job."""
        return self.owner.child(str(self.number))

    @property
    def labels(self) -> dict[str, str]:
        """Labels of the pods."""
        return self.owner.labels("training") | {names.LABEL_ATTEMPT: str(self.number)}


def template(attempt: Attempt, settings: Settings) -> Json:
    """The pod template of the Job."""
    publish = _stager("publish", attempt, settings) | {"restartPolicy": "Always"}
    follow = [_track(attempt, settings)] if follows(attempt.spec.tracking) else []
    spec: Json = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": names.GRACE_SECONDS,
        "initContainers": [_stager("stage", attempt, settings), publish, *follow],
        "containers": [_trainer(attempt, settings)],
        "volumes": _volumes(attempt),
        **security.identity(),
        **pod.placement(attempt.profile, settings),
    }
    if attempt.spec.priority_class_name:
        spec["priorityClassName"] = attempt.spec.priority_class_name
    if attempt.spec.nodes > 1:
        spec["subdomain"] = service.rendezvous_name(attempt.owner)
    return {"metadata": {"labels": attempt.labels}, "spec": spec}


def follows(tracking: Tracking) -> bool:
    """Is there a tracker elsewhere to follow the run for? An offline run of W&B is the trainer's own report."""
    return tracking.mlflow is not None or (tracking.wandb is not None and tracking.wandb.mode == "Online")


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
    stores = {name for _, name in store_secrets(attempt.spec)}
    return pod.Container(
        name=step,
        image=settings.images.operator,
        command=["python", "-m", "banktuner_stager", step],
        resources=pod.helper_resources(attempt.profile),
        env={"HOME": "/tmp"},
        secrets=sorted(stores | set(attempt.input_secrets)),
        mounts=[pod.WORK, pod.CONFIG, security.token_mount()],
    ).build(settings)


def _track(attempt: Attempt, settings: Settings) -> Json:
    """Follows the trainer's numbers to the trackers: only this container has their credentials."""
    return pod.Container(
        name="track",
        image=_trainer_image(attempt, settings),
        command=["python", "-m", "banktuner_trainer.tracking"],
        # 183 MB were measured with MLflow's client
        resources=pod.helper_resources(attempt.profile, request="192Mi"),
        env={"HOME": "/tmp", "USER": "banktuner"},
        secrets=sorted({name for _, name in tracker_secrets(attempt.spec)}),
        mounts=[pod.WORK, pod.CONFIG],
        extra={"restartPolicy": "Always"},
    ).build(settings)


def _trainer(attempt: Attempt, settings: Settings) -> Json:
    threads = ceil(quantity.parse(attempt.spec.resources.cpu))
    return pod.Container(
        name="trainer",
        image=_trainer_image(attempt, settings),
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
            **_rendezvous(attempt),
        },
        mounts=[pod.WORK, pod.CONFIG, pod.SHM, security.token_mount()],
    ).build(settings)


def _trainer_image(attempt: Attempt, settings: Settings) -> str:
    return attempt.profile.images.trainer or settings.images.trainer


def _rendezvous(attempt: Attempt) -> dict[str, str]:
    """Where the pods of one attempt meet: at the first of them. Its index comes from the Job controller."""
    if attempt.spec.nodes == 1:
        return {}
    place = f"{service.rendezvous_name(attempt.owner)}.{attempt.owner.namespace}.svc"
    return {"MASTER_ADDR": f"{attempt.name}-0.{place}", "MASTER_PORT": str(names.RENDEZVOUS_PORT)}


def secret_fields(spec: FineTuneJobSpec) -> SecretFields:
    """Every Secret that a job names."""
    return [*store_secrets(spec), *tracker_secrets(spec)]


def store_secrets(spec: FineTuneJobSpec) -> SecretFields:
    """Secrets of object stores."""
    encoder = spec.evaluation.encoder if spec.evaluation else None
    return _named(
        {
            "spec.model.secretRef": spec.model.secret_ref,
            "spec.dataset.secretRef": spec.dataset.secret_ref,
            "spec.output.secretRef": spec.output.secret_ref,
            "spec.evaluation.encoder.secretRef": encoder.secret_ref if encoder else None,
        }
    )


def tracker_secrets(spec: FineTuneJobSpec) -> SecretFields:
    """Secrets of MLflow and W&B."""
    mlflow, wandb = spec.tracking.mlflow, spec.tracking.wandb
    return _named(
        {
            "spec.tracking.mlflow.secretRef": mlflow.secret_ref if mlflow else None,
            "spec.tracking.wandb.secretRef": wandb.secret_ref if wandb else None,
        }
    )


def _named(references: dict[str, SecretRef | None]) -> SecretFields:
    return [(path, reference.name) for path, reference in references.items() if reference]

"""The Job that brings the index of a BankingModel's documents up to date."""

from dataclasses import dataclass

from banktuner_api import names
from banktuner_api.common import Json
from banktuner_api.gateway import Knowledge
from banktuner_api.serving import RetrievalConfig
from banktuner_operator.manifests import configmap, pod, security
from banktuner_operator.manifests.gateway import RETRIEVAL_ANNOTATION, vector_store_key
from banktuner_operator.manifests.metadata import CONFIG_ANNOTATION, Owner, digest
from banktuner_operator.settings import Profile, Settings

COMPONENT = "index"
DEADLINE_SECONDS = 6 * 3600
MEMORY = "2Gi"
ENCODER_SIZE = "4Gi"


@dataclass(frozen=True)
class IndexSetup:
    """What decides a run. `after`: when the run before it ended, so that each run has a name of its own."""

    owner: Owner
    knowledge: Knowledge
    config: RetrievalConfig
    profile: Profile
    after: str = ""


def config_key(config: RetrievalConfig) -> str:
    """Stands for all that an index depends on but the documents themselves."""
    return digest({key: value for key, value in config.to_json().items() if key != "topK"})


def index_job(setup: IndexSetup, settings: Settings) -> Json:
    """The Job as it is created; it is never changed afterwards. It is tried again by a Job of its own."""
    key = config_key(setup.config)
    meta = setup.owner.metadata(setup.owner.child(f"{COMPONENT}-{digest([key, setup.after])[:7]}"), COMPONENT)
    meta["annotations"] = {CONFIG_ANNOTATION: key}
    disrupted = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    spec = {
        "backoffLimit": 0,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": [disrupted]},
        "activeDeadlineSeconds": DEADLINE_SECONDS,
        "template": _template(setup, settings),
    }
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec}


def _template(setup: IndexSetup, settings: Settings) -> Json:
    spec: Json = {
        "restartPolicy": "Never",
        "containers": [_container(setup, settings)],
        "volumes": [
            pod.empty_dir("work", ENCODER_SIZE),
            pod.empty_dir("tmp", "1Gi"),
            pod.projected_config({RETRIEVAL_ANNOTATION: names.RETRIEVAL_KEY}),
        ],
    }
    annotations = {RETRIEVAL_ANNOTATION: configmap.pretty(setup.config.to_json())}
    metadata = {"labels": setup.owner.labels(COMPONENT), "annotations": annotations}
    return {"metadata": metadata, "spec": spec | security.identity() | pod.placement(Profile(), settings)}


def _container(setup: IndexSetup, settings: Settings) -> Json:
    references = (setup.knowledge.documents.secret_ref, setup.knowledge.embedding.secret_ref)
    config = str(names.CONFIG_DIR / names.RETRIEVAL_KEY)
    return pod.Container(
        name=COMPONENT,
        image=settings.images.gateway,
        command=["python", "-m", "banktuner_gateway.retrieval", "index", "--config", config],
        resources=pod.helper_resources(setup.profile, MEMORY),
        env={"HOME": "/tmp"},
        secrets=sorted({reference.name for reference in references if reference}),
        keys=vector_store_key(setup.knowledge),
        mounts=[pod.WORK, pod.CONFIG],
    ).build(settings)

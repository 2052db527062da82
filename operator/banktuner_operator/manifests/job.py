"""The Job of one attempt."""

from banktuner_api import names
from banktuner_api.common import Json
from banktuner_api.exit_codes import FINAL
from banktuner_operator.manifests import training_pod
from banktuner_operator.manifests.metadata import TEMPLATE_ANNOTATION, digest
from banktuner_operator.manifests.training_pod import Attempt
from banktuner_operator.settings import Settings


def training_job(attempt: Attempt, settings: Settings) -> Json:
    """The Job as it is created. Its template is never changed afterwards."""
    meta = attempt.owner.metadata(attempt.name, "training")
    meta["labels"][names.LABEL_ATTEMPT] = str(attempt.number)
    if attempt.queue:
        meta["labels"][names.KUEUE_QUEUE_LABEL] = attempt.queue
    template = training_pod.template(attempt, settings)
    meta["annotations"] = {TEMPLATE_ANNOTATION: digest(template)}
    spec: Json = {
        "backoffLimit": 0,
        "completions": attempt.spec.nodes,
        "parallelism": attempt.spec.nodes,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": _failure_rules()},
        "suspend": attempt.spec.suspend or attempt.queue is not None,
        "template": template,
    }
    if attempt.spec.nodes > 1:
        spec["completionMode"] = "Indexed"
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

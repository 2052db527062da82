"""FineTuneJob: the kind."""

from typing import ClassVar

from banktuner_api.common import ApiModel
from banktuner_api.finetunejob_spec import FineTuneJobSpec
from banktuner_api.finetunejob_status import FineTuneJobStatus


class FineTuneJob(ApiModel):
    """Trains or tunes one model in a pod and leaves a verified artifact in object storage."""

    KIND: ClassVar = "FineTuneJob"
    PLURAL: ClassVar = "finetunejobs"
    SHORT_NAME: ClassVar = "ftj"

    spec: FineTuneJobSpec
    status: FineTuneJobStatus | None = None

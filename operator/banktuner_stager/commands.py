"""The commands: each reads its configuration, puts the parts together and runs them."""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError

from banktuner_api import handshake, names
from banktuner_api.agent import AgentClient, Report
from banktuner_api.bankingmodel import Engine
from banktuner_api.finetunejob_status import CheckpointStatus, Phase
from banktuner_api.run_config import RunConfig
from banktuner_api.serving import DesiredState, Observed
from banktuner_stager.engine import AdapterEngine, VllmEngine
from banktuner_stager.errors import invalid_config
from banktuner_stager.gateway import read_gateway, stage_gateway
from banktuner_stager.keeping import CheckpointKeeper, pending
from banktuner_stager.paths import Paths
from banktuner_stager.publish import Publisher
from banktuner_stager.reporting import NewestWord, Progress
from banktuner_stager.serving import read_base_digest, read_desired, stage_serving
from banktuner_stager.stage import stage
from banktuner_stager.sync import Sync
from banktuner_stager.watch import DesiredWatch

OBSERVED_SECONDS = 30.0
"""How often what is observed is told without a change, so that a restarted operator knows it."""
POD_NAME = "POD_NAME"


@dataclass(frozen=True)
class Command:
    """`work` raises StagerError or anything unexpected.

    `sidecar`: being told to stop is its good end. `stays`: it waits for that also after its work is done, because the
    kubelet would start it again. `unfinished`: while this holds it works on after it is told to stop, within the grace
    period. `failure_file`: control file that a failure is written to.
    """

    work: Callable[[Paths], None]
    sidecar: bool = False
    stays: bool = False
    unfinished: Callable[[Paths], bool] | None = None
    failure_file: str | None = None


def _stage(paths: Paths) -> None:
    config = _run_config(paths)
    progress = Progress(_agent(config.agent_url, paths), config.job, Phase.STAGING)
    try:
        stage(config, paths, os.environ, progress)
    finally:
        progress.flush()


def _publish(paths: Paths) -> None:
    config = _run_config(paths)
    keeper = CheckpointKeeper(config, paths, os.environ, _checkpoint_words(config, paths).tell)
    if (paths.control / handshake.COMMITTED).exists():
        return keeper.forget()  # stage found it committed, or the kubelet started the sidecar again
    if (paths.control / handshake.PUBLISH_FAILURE).exists():
        return None
    progress = Progress(_agent(config.agent_url, paths), config.job, Phase.PUBLISHING)
    Publisher(config, paths, os.environ, progress.tell, keeper).run()
    return None


def _checkpoint_words(config: RunConfig, paths: Paths) -> NewestWord[CheckpointStatus]:
    """Tells the agent API which checkpoint is in object storage, and nothing of what the pod does: the trainer does."""
    client, job = _agent(config.agent_url, paths), config.job

    def deliver(word: CheckpointStatus) -> None:
        client.report(job.namespace, job.name, Report(checkpoint=word))

    return NewestWord(deliver)


def _stage_model(paths: Paths) -> None:
    stage_serving(read_desired(paths), paths, os.environ)


def _stage_gateway(paths: Paths) -> None:
    stage_gateway(read_gateway(paths), paths, os.environ)


def _sync(paths: Paths) -> None:
    desired = read_desired(paths)
    client = _agent(desired.agent_url, paths)
    words: NewestWord[Observed] = NewestWord(
        lambda word: client.observed(desired.namespace, desired.name, word), repeat=OBSERVED_SECONDS
    )
    pod = os.environ.get(POD_NAME, "")
    if not pod:
        raise invalid_config(f"the environment has no {POD_NAME}", None)
    sync = Sync(desired, paths, _engine(desired, paths), read_base_digest(paths), pod, os.environ, words.tell)
    watch = DesiredWatch(desired, paths, sync.want)
    threading.Thread(target=watch.run, name="desired", daemon=True).start()
    sync.run()


def _engine(desired: DesiredState, paths: Paths) -> AdapterEngine:
    if desired.engine is Engine.VLLM:
        return VllmEngine(paths.engine_url, desired.name)
    from banktuner_stager.tgi_proof import TgiEngine  # only here: the client library is slow to import

    return TgiEngine(paths.engine_url)


def _run_config(paths: Paths) -> RunConfig:
    place = paths.config / names.RUN_CONFIG_KEY
    try:
        return RunConfig.model_validate_json(place.read_bytes())
    except (OSError, ValidationError) as error:
        raise invalid_config(f"{place} cannot be read: {type(error).__name__}", None) from error


def _agent(url: str, paths: Paths) -> AgentClient:
    return AgentClient(url, paths.token, paths.config / names.CA_KEY)


COMMANDS = {
    "stage": Command(_stage),
    "publish": Command(_publish, sidecar=True, stays=True, unfinished=pending, failure_file=handshake.PUBLISH_FAILURE),
    "stage-model": Command(_stage_model),
    "stage-gateway": Command(_stage_gateway),
    "sync": Command(_sync, sidecar=True),
}

"""One attempt from start to commit: train, evaluate, export, hand over. Imported late: it brings torch."""

import logging

import torch
import transformers

from banktuner_api.agent import AgentClient
from banktuner_api.common import Metric
from banktuner_api.finetunejob_methods import Method
from banktuner_api.handshake import ArtifactRequest, Result
from banktuner_api.manifest import REPORT
from banktuner_api.metrics import problem
from banktuner_api.names import CA_KEY
from banktuner_api.run_config import RunConfig
from banktuner_trainer import VERSION, distributed, publishing
from banktuner_trainer.device import Device, choose_device, gpu_peak_bytes
from banktuner_trainer.distributed import World
from banktuner_trainer.environment import resources_used
from banktuner_trainer.errors import invalid_config
from banktuner_trainer.evaluate.compare import MOST_METRICS, costs, ranked
from banktuner_trainer.export.folder import check_formats, export
from banktuner_trainer.memory import check as memory
from banktuner_trainer.progress import Step
from banktuner_trainer.reporting import Clock, Reporter, Send
from banktuner_trainer.settings import Paths
from banktuner_trainer.tasks import TASKS
from banktuner_trainer.tasks.base import Context, Outcome
from banktuner_trainer.tracking.record import Recorder, loss_curve
from banktuner_trainer.tracking.reports import write_reports

logger = logging.getLogger(__name__)


def run_attempt(run: RunConfig, paths: Paths) -> Result | None:
    """Train and have the artifact committed; None in a process that helped another one to do so.

    Raises TrainerError, or what the libraries raise.
    """
    _quiet_libraries()
    device = choose_device(run.training.precision, run.limits.gpus)
    logger.info("%s %s on %s, %d threads", run.task, run.method, _device_name(device.cuda), torch.get_num_threads())
    world = distributed.join(run, device.cuda)
    try:
        with memory.explained(run):
            result = _run(run, paths, device, world)
    except distributed.HelpedError:
        world.wait_for_first()
        return None
    except Exception as error:
        raise distributed.told(error, world) from error
    world.part()
    return result


def _run(run: RunConfig, paths: Paths, device: Device, world: World) -> Result:
    clock = Clock()
    staged = publishing.read_staged(paths.control)
    with Reporter(_sender(run, paths, world), run.job.attempt) as reporter:
        reporter.begin(Step.READ)
        _check(run, paths)
        memory.check_weights(run, paths.model, device)
        outcome = TASKS[run.task](Context(run, staged, paths, device, reporter, world))
        reporter.begin(Step.EXPORT)
        template_digest = export(run, paths, outcome.model, outcome.tokenizer, reporter.advance)
        if outcome.files is not None:
            outcome.files(paths.output)
        used = resources_used(clock.seconds(), run.limits.gpus * run.nodes, gpu_peak_bytes())
        used = used.model_copy(update={"peak_memory_bytes": max(used.peak_memory_bytes, outcome.peak_memory_bytes)})
        metrics = ranked(run, [*outcome.metrics, *costs(run, outcome.metrics)])
        logger.info("result: %s", " ".join(f"{one.name}={one.value}" for one in metrics))
        _report(run, paths, outcome, metrics)
        request = ArtifactRequest(
            task=run.task,
            method=run.method,
            rank=_rank(run),
            served_as=outcome.served_as,
            chat_template_digest=template_digest,
            metrics=metrics[:MOST_METRICS],
            resources_used=used,
            trainer_version=VERSION,
        )
        reporter.begin(Step.PUBLISH, "waiting for the commit")
        result = publishing.publish(paths.control, request)
        reporter.advance(1)
        return result


def _check(run: RunConfig, paths: Paths) -> None:
    """Raises TrainerError (InvalidConfig) for what could only fail after the training."""
    check_formats(run, paths.model)
    found = problem(run)
    if found is not None:
        raise invalid_config(found.message, found.field)


def _report(run: RunConfig, paths: Paths, outcome: Outcome, metrics: list[Metric]) -> None:
    """Numbers and pictures for readers, events and runs for trackers."""
    # Drawing takes a second to import, and the training should not wait for it.
    from banktuner_trainer.evaluate import report

    curve = loss_curve(paths.tracking)
    device = _device_name(torch.cuda.is_available())
    told = report.Report(metrics, curve, outcome.confusion, outcome.details, device, torch.get_num_threads())
    report.write(told, run, paths.output / REPORT)
    Recorder(paths.tracking).result(metrics)
    write_reports(run, paths)


def _rank(run: RunConfig) -> int | None:
    return run.lora.rank if run.lora and run.method in (Method.LORA, Method.QLORA) else None


def _sender(run: RunConfig, paths: Paths, world: World) -> Send:
    if not world.first:
        return lambda _: None
    client = AgentClient(run.agent_url, paths.token, paths.config / CA_KEY)
    return lambda report: client.report(run.job.namespace, run.job.name, report)


def _device_name(cuda: bool) -> str:
    return str(torch.cuda.get_device_name()) if cuda else "CPU"


def _quiet_libraries() -> None:
    """The log is ours: one plain line a step, no bars."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()

"""What the model learns to do: one module a task, and the table of them."""

from collections.abc import Callable
from importlib import import_module
from typing import cast

from banktuner_api.finetunejob_spec import Task
from banktuner_trainer.tasks.base import Context, Outcome


def _of(module: str) -> Callable[[Context], Outcome]:
    """The task of a module that is imported when it runs: what other tasks need would take seconds."""

    def run(context: Context) -> Outcome:
        return cast(Outcome, import_module(f"{__name__}.{module}").run(context))

    return run


TASKS: dict[Task, Callable[[Context], Outcome]] = {
    Task.INSTRUCTION: _of("instruction"),
    Task.CLASSIFICATION: _of("classification"),
    Task.PRETRAINING: _of("pretraining"),
}

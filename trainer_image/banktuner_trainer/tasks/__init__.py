"""What the model learns to do: one module a task, and the table of them."""

from collections.abc import Callable

from banktuner_api.finetunejob_spec import Task
from banktuner_trainer.tasks import classification, instruction, pretraining
from banktuner_trainer.tasks.base import Context, Outcome

TASKS: dict[Task, Callable[[Context], Outcome]] = {
    Task.INSTRUCTION: instruction.run,
    Task.CLASSIFICATION: classification.run,
    Task.PRETRAINING: pretraining.run,
}

"""The trainer's side of tracking: what each logging step measured goes into <work>/tracking/metrics.jsonl."""

import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from banktuner_trainer.tracking.record import LOSS, Recorder

TIME = "time"
_MEASURED = frozenset({LOSS, "eval_loss"})
"""One of these is in every log line that is a point: the loop's closing summary has none."""
_LEFT_OUT = frozenset({"step", TIME})


class Tracking(TrainerCallback):
    """Records each logging step; goes after the callback that adds numbers to the logs.

    A run that goes on from a checkpoint first records what the loop's history holds of the steps before, at the
    times when they were measured: the curve is whole, and a tracker that has those points already ignores them.
    """

    def __init__(self, work: Path) -> None:
        """`work` is <work>."""
        self._recorder = Recorder(work / "tracking")

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Record the history of an earlier attempt."""
        if state.is_world_process_zero:
            for entry in state.log_history:
                if _MEASURED & entry.keys():
                    self._recorder.add(entry["step"], _numbers(entry), entry.get(TIME))

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:  # noqa: ARG002
        """One point."""
        if logs and _MEASURED & logs.keys() and state.is_world_process_zero:
            now = time.time()
            state.log_history[-1][TIME] = now
            self._recorder.add(state.global_step, _numbers(logs), now)


def _numbers(logs: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in logs.items() if name not in _LEFT_OUT}

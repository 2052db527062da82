"""TensorBoard: the recorded points as one event file, written when the run is over."""

from collections.abc import Sequence
from pathlib import Path

from banktuner_trainer.tracking.record import Point

SUFFIX = ".tfevents"
"""An artifact's files are known by their suffix."""


def write_events(points: Sequence[Point], folder: Path) -> None:
    """One scalar `train/<name>` or `result/<name>` a value, at the time when it was measured. Raises OSError."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder), filename_suffix=SUFFIX)
    for point in points:
        group = "result" if point.result else "train"
        values = [Summary.Value(tag=f"{group}/{name}", simple_value=value) for name, value in point.values.items()]
        writer.add_event(Event(wall_time=point.time, step=point.step, summary=Summary(value=values)))
    writer.close()

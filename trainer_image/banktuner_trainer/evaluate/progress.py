"""How far an evaluation is, and how long it will still take."""

from banktuner_api.finetunejob_status import Phase
from banktuner_trainer.reporting import Clock, Reporter


class Progress:
    """Counts rows and reports each batch of them with the time that is left."""

    def __init__(self, reporter: Reporter, rows: int, start: int, share: int) -> None:
        """`rows`: to come; `start` and `share`: percent of the job before it, and that it is."""
        self._reporter = reporter
        self._rows = max(1, rows)
        self._start = start
        self._share = share
        self._done = 0
        self._clock = Clock()

    def advance(self, rows: int) -> None:
        """So many more rows are done."""
        self._done = min(self._rows, self._done + rows)
        left = self._clock.seconds() / max(1, self._done) * (self._rows - self._done)
        self._reporter.update(Phase.EVALUATING, self._start + self._share * self._done // self._rows, left)

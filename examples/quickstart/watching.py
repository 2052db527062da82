"""Shows objects as they change: a live table on a terminal, one line a change elsewhere."""

import sys
import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.table import Table

from kube import Json, KubectlError, condition, get

FINETUNE, SERVING = "finetunejob", "bankingmodel"


@dataclass
class Row:
    """One object on the screen. `phases` holds the seconds spent in each step so far."""

    kind: str
    name: str
    step: str = "Waiting"
    progress: str = ""
    detail: str = ""
    done: bool = False
    failed: bool = False
    tens: int = 0
    last: Json | None = None
    since: float = field(default_factory=time.monotonic)
    phases: dict[str, float] = field(default_factory=dict)

    def read(self, namespace: str) -> bool:
        """Look at the object; True when its step, what it says or its tens of percent changed."""
        with suppress(KubectlError):  # one call of hundreds: what was seen last is kept
            self.last = get(self.kind, self.name, namespace)
        before = (self.step, self.detail, self.tens)
        step = self._finetune() if self.kind == FINETUNE else self._serving()
        now = time.monotonic()
        self.phases[self.step] = round(self.phases.get(self.step, 0.0) + now - self.since, 1)
        self.since, self.step = now, step
        return before != (self.step, self.detail, self.tens)

    def _finetune(self) -> str:
        status = (self.last or {}).get("status") or {}
        trainer = status.get("trainerStatus") or {}
        loss = next((f", loss {entry['value']}" for entry in trainer.get("metrics", []) if entry["name"] == "loss"), "")
        percent, left = trainer.get("progressPercentage"), trainer.get("estimatedRemainingSeconds")
        remaining = f", {left} s left" if left else ""
        self.progress = "" if percent is None else f"{percent} %{loss}{remaining}"
        self.tens = (percent or 0) // 10
        self.done = condition(self.last, "Complete").get("status") == "True"
        self.failed = condition(self.last, "Failed").get("status") == "True"
        told = condition(self.last, "Failed" if self.failed else "Running")
        self.detail = "" if self.done else f"{told.get('reason', '')}: {told.get('message', '')}".strip(": ")
        return str(status.get("phase", "Pending"))

    def _serving(self) -> str:
        status = (self.last or {}).get("status") or {}
        # Degraded tells of the chat page too.
        wanted = {"Ready": "True", "KnowledgeReady": "True", "Degraded": "False"}
        told = [(condition(self.last, kind), status) for kind, status in wanted.items()]
        waiting = [one for one, status in told if one.get("status") != status]
        adapters = {entry["name"]: entry["state"] for entry in status.get("adapters", [])}
        every_adapter = bool(adapters) and set(adapters.values()) == {"Ready"}
        self.done = not waiting and every_adapter
        self.progress = " ".join(f"{name}={state}" for name, state in adapters.items())
        first = waiting[0] if waiting else {}
        self.detail = first.get("message", "")
        return "Ready" if self.done else str(first.get("reason", "Pending"))


def _table(rows: list[Row], started: float) -> Table:
    table = Table(title=f"{time.monotonic() - started:.0f} s", title_justify="left")
    for title in ("Object", "Step", "Seconds", "Progress", "Says"):
        table.add_column(title, overflow="fold")
    for row in rows:
        seconds = f"{row.phases.get(row.step, 0.0):.0f}"
        table.add_row(f"{row.kind}/{row.name}", row.step, seconds, row.progress, row.detail[:120])
    return table


def watch(rows: list[Row], namespace: str, limit_seconds: float) -> None:
    """Return when every object is done, or one has failed. Raises TimeoutError."""
    console, started = Console(), time.monotonic()
    live = Live(console=console, refresh_per_second=2) if sys.stdout.isatty() else None
    with live or nullcontext():
        while not all(row.done for row in rows) and not any(row.failed for row in rows):
            if time.monotonic() - started > limit_seconds:
                raise TimeoutError(f"not finished after {limit_seconds:.0f} s")
            changed = [row for row in rows if row.read(namespace)]
            if live:
                live.update(_table(rows, started))
            for row in [] if live else changed:
                line = f"{row.kind}/{row.name}: {row.step} {row.progress} {row.detail[:160]}".rstrip()
                print(f"{time.monotonic() - started:6.0f} s  {line}", flush=True)
            time.sleep(1)
    console.print(_table(rows, started))

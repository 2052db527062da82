"""Pictures of a report: the loss over the steps, and what was taken for what."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from banktuner_trainer.evaluate.intent import Confusion

DPI = 110
FEW = 20
"""Labels whose table is still readable with a number in each cell."""
PAIRS = 20
"""Most confused pairs that are listed."""
LONGEST_LABEL = 40


def loss_picture(points: Sequence[tuple[int, float]], path: Path) -> None:
    """`points`: (optimiser step, training loss). Raises OSError."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([step for step, _ in points], [loss for _, loss in points], marker="." if len(points) < FEW else "")
    axes.set_xlabel("optimiser step")
    axes.set_ylabel("training loss (nats)")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    _save(figure, path)


def confusion_picture(confusion: Confusion, path: Path) -> None:
    """The table of shares of each truth's rows, and beside it the most confused pairs by name. Raises OSError."""
    size = len(confusion.labels)
    side = max(5.0, min(16.0, 1.5 + 0.17 * size if size > FEW else 1.5 + 0.5 * size))
    pairs = confusion.most_confused(PAIRS)
    figure = Figure(figsize=(side + 8.5, side), layout="constrained")
    table, listed = figure.subplots(1, 2, width_ratios=[side, 7.0])
    _table(table, confusion)
    _pairs(listed, pairs)
    _save(figure, path)


def _table(axes: Any, confusion: Confusion) -> None:
    counts = np.array(confusion.counts, dtype=float)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    right = np.eye(len(shares), dtype=bool)
    names = [_short(label) for label in confusion.labels]
    size = 9 if len(names) <= FEW else 6.5
    axes.imshow(np.ma.masked_where(~right, shares), cmap="Blues", vmin=0, vmax=1)
    # Wrong answers are few: in a colour of their own, and by the root of their share, they are still seen.
    axes.imshow(np.ma.masked_where(right | (shares == 0), np.sqrt(shares)), cmap="Oranges", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=size, parse_math=False)
    axes.set_yticks(range(len(names)), names, fontsize=size, parse_math=False)
    axes.set_xlabel("answer")
    axes.set_ylabel("truth")
    if len(names) > FEW:
        return
    for row, column in np.argwhere(counts > 0):
        colour = "white" if shares[row, column] > 0.4 else "black"
        axes.text(column, row, f"{counts[row, column]:.0f}", ha="center", va="center", color=colour, fontsize=size)


def _pairs(axes: Any, pairs: Sequence[tuple[str, str, int]]) -> None:
    axes.set_title("most confused: truth → answer (rows)" if pairs else "nothing is confused")
    if not pairs:
        axes.axis("off")
        return
    names = [f"{_short(truth)} → {_short(answer)}" for truth, answer, _ in pairs]
    bars = axes.barh(range(len(pairs)), [rows for _, _, rows in pairs], color="tab:orange")
    axes.bar_label(bars, padding=3, fontsize=8)
    axes.set_yticks(range(len(pairs)), names, fontsize=8, parse_math=False)
    axes.set_ylim(max(len(pairs), PAIRS // 2) - 0.5, -0.5)
    axes.set_xlabel("rows")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)


def _short(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "…"


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas = FigureCanvasAgg(figure)
    canvas.print_figure(str(path), dpi=DPI, metadata={"Software": None})

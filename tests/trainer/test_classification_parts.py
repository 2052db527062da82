# ruff: noqa: E402
"""The classifier's parts by examples that can be checked by hand."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import numpy as np

from banktuner_trainer.classify.batching import MULTIPLE, Batcher
from banktuner_trainer.classify.calibration import best_threshold, calibrate
from banktuner_trainer.classify.head import SCALE, CosineHead
from banktuner_trainer.classify.judge import (
    MEMORY_ROWS,
    NEIGHBOUR_SHARE,
    STRANGER_ROWS,
    Judge,
    memory_of,
    strangers_of,
)
from banktuner_trainer.classify.pooling import pool
from banktuner_trainer.classify.rows import CALIBRATION_ROWS, hold_out_some
from banktuner_trainer.classify.schedule import epochs_for
from bench.trainer import classification as benchmark

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def test_padding_does_not_count() -> None:
    hidden = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [9.0, 9.0]]])
    mask = torch.tensor([[1, 1, 0]])
    assert pool(hidden, mask, "mean").tolist() == [[2.0, 3.0]]
    assert pool(hidden, mask, "last").tolist() == [[3.0, 4.0]]
    batch = Batcher(7)([{"input_ids": [1, 2, 3]}, {"input_ids": [4]}])
    assert batch["input_ids"].shape == (2, MULTIPLE)
    assert batch["input_ids"][1].tolist() == [4] + [7] * (MULTIPLE - 1)
    assert batch["attention_mask"].sum(dim=1).tolist() == [3, 1]


def test_the_head_fits_what_is_separable() -> None:
    generator = torch.Generator().manual_seed(0)
    means = torch.eye(4, 8) * 3 + 5
    labels = torch.arange(4).repeat(20)
    pooled = means[labels] + 0.3 * torch.randn(80, 8, generator=generator)
    head = CosineHead(4, 8)
    head.fit(pooled, labels, smoothing=0.0)
    assert (head(pooled).argmax(dim=1) == labels).all()
    assert head.directions.grad is None
    torch.testing.assert_close(head.centre, pooled.mean(dim=0))


def test_nearest_rows_speak_for_their_label() -> None:
    pooled = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 3.0]])
    memory = memory_of(pooled, [1, 0, 0])
    # Two rows a label: label 1 has one, which is there twice.
    assert memory.tolist() == [[[0.0, 1.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]]]
    head = CosineHead(2, 2)
    asked = torch.tensor([[3.0, 4.0]])
    logits, signs = Judge(head, memory, torch.zeros(0, 2)).look(asked)
    # The directions are 0, so the head knows nothing and doubts evenly; the cosines are 4/5 and 3/5.
    torch.testing.assert_close(logits, SCALE * NEIGHBOUR_SHARE * torch.tensor([[0.8, 0.6]]))
    torch.testing.assert_close(signs, torch.tensor([[0.0, 0.2]]), atol=1e-6, rtol=0)
    _, signs = Judge(head, memory, strangers_of(torch.tensor([[6.0, 8.0]]))).look(asked)
    torch.testing.assert_close(signs, torch.tensor([[0.0, 0.2, 0.2]]), atol=1e-6, rtol=0)


def test_the_memory_is_bounded_and_keeps_every_label() -> None:
    labels = [0] * (MEMORY_ROWS + 10) + [1, 2]
    memory = memory_of(torch.ones(len(labels), 2), labels)
    assert memory.shape[0] == 3 and memory.shape[0] * memory.shape[1] <= MEMORY_ROWS
    assert len(strangers_of(torch.ones(2 * STRANGER_ROWS + 1, 2))) <= STRANGER_ROWS
    assert len(strangers_of(torch.ones(5, 2))) == 5 and len(strangers_of(torch.ones(0, 2))) == 0


def test_strangers_raise_the_score() -> None:
    generator = np.random.default_rng(0)
    inside, outside = generator.normal(0, 1, (200, 2)), generator.normal(4, 1, (200, 2))
    found = calibrate(inside, outside)

    def score(rows: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-(rows @ np.array(found.weights) + found.bias)))

    assert np.mean(score(inside) < found.threshold) > 0.97 and np.mean(score(outside) >= found.threshold) > 0.97
    assert (found.inside, found.outside) == (200, 200)
    middle = score(np.array([[2.0, 2.0]]))
    assert middle == pytest.approx(0.5, abs=0.15), "as far from both"


def test_without_strangers_one_in_twenty_is_rejected() -> None:
    inside = np.stack([np.arange(100.0), np.arange(100.0)], axis=1)
    found = calibrate(inside, np.zeros((0, 2)))
    scores = 1 / (1 + np.exp(-(inside @ np.array(found.weights) + found.bias)))
    assert (scores >= found.threshold).sum() == 5


def test_the_threshold_by_hand() -> None:
    # Between 0.4 and 0.6 nobody is taken for the other.
    assert best_threshold(np.array([0.1, 0.4]), np.array([0.6, 0.9])) == pytest.approx(0.5)
    # Between 0.5 and 0.8 one of ten own questions is rejected: (0.9 + 1) / 2. Above 0.8 no stranger is.
    inside = np.array([0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.95])
    assert best_threshold(inside, np.array([0.8] * 10)) == pytest.approx(0.65)


@pytest.mark.parametrize(("rows", "held"), [(770, 39), (10_003, 500), (40, 2), (1_000_000, CALIBRATION_ROWS)])
def test_few_rows_are_held_out(rows: int, held: int) -> None:
    labels = [place % 10 for place in range(rows)]
    kept, out = hold_out_some(range(rows), labels, seed=1)
    assert len(out) == held and sorted([*kept, *out]) == list(range(rows))
    assert (kept, out) == hold_out_some(range(rows), labels, seed=1)


def test_a_labels_only_row_is_trained_on() -> None:
    kept, out = hold_out_some(range(100), list(range(100)), seed=1)
    assert len(kept) == 100 and not out


def test_few_rows_are_seen_more_often() -> None:
    epochs = [epochs_for(rows) for rows in (50, 770, 2_000, 10_000, 1_000_000)]
    assert epochs == sorted(epochs, reverse=True) and epochs[0] > epochs[-1] >= 1


def test_the_benchmark_never_trains_on_a_held_out_intent() -> None:
    rows = [("a", "age_limit"), ("b", "card_arrival"), ("c", "atm_support")]
    assert benchmark.without_held_out(rows) == [("b", "card_arrival")]
    assert len(benchmark.HELD_OUT) == 27
    sampled = benchmark.sample([(str(n), str(n % 3)) for n in range(60)], 10, seed=0)
    assert len(set(sampled)) == 30 and [intent for _, intent in sampled].count("1") == 10


def test_the_held_out_intents_are_banking77s() -> None:
    names = DATA / "banking77" / "categories.json"
    if not names.exists():
        pytest.skip("Banking77 does not lie at ../shared/data/banking77")
    import json

    assert set(json.loads(names.read_text(encoding="utf-8"))) >= benchmark.HELD_OUT

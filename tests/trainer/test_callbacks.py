# ruff: noqa: E402
"""The watch on the loss, early stopping and tracking, in real loops of small models."""

import json
import math
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM, PrinterCallback, Trainer, TrainerControl, TrainingArguments

from banktuner_api.exit_codes import ExitCode
from banktuner_api.finetunejob_spec import EarlyStopping as Settings
from banktuner_trainer.callbacks import WINDOW, LossWatchdog, Progress
from banktuner_trainer.early_stopping import EarlyStopping
from banktuner_trainer.errors import TrainerError
from banktuner_trainer.reporting import Reporter
from banktuner_trainer.tracking.callback import Tracking
from banktuner_trainer.tracking.record import loss_curve, read_points

TOKENS = 8


def watch(losses: list[float]) -> int | None:
    """The index of the loss at which the watchdog ended the run."""
    watchdog = LossWatchdog()
    for step, loss in enumerate(losses):
        try:
            watchdog.on_log(None, SimpleNamespace(global_step=step), None, {"loss": loss})
        except TrainerError as error:
            assert (error.code, error.reason) == (ExitCode.DIVERGED, "Diverged")
            assert error.field == "spec.training.learningRate"
            return step
    return None


def healthy(seed: int, start: float, floor: float, noise: float) -> list[float]:
    """A loss that falls, with the noise of small batches and a bad batch now and then."""
    draw = random.Random(seed)
    smooth = [floor + (start - floor) * math.exp(-step / 12) for step in range(100)]
    return [
        level * math.exp(draw.gauss(0, noise)) * (6 if draw.random() < 0.03 else 1) + 0.01 * draw.random()
        for level in smooth
    ]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_ends_the_run_at_once(bad: float) -> None:
    assert watch([2.0, bad]) == 1


@pytest.mark.parametrize(("start", "floor"), [(10.4, 3.0), (2.5, 1.0), (4.3, 0.02), (0.7, 0.3)])
def test_noisy_healthy_runs_are_left_alone(start: float, floor: float) -> None:
    assert [watch(healthy(seed, start, floor, noise=0.4)) for seed in range(200)] == [None] * 200


@pytest.mark.parametrize("easy_first", [True, False])
def test_rows_sorted_by_length_may_be_easy_and_hard_in_turn(easy_first: bool) -> None:
    """Refusals are learned in a few steps, long answers are not; batches of one length come together, 50 at a time."""
    losses, draw = [], random.Random(1)
    for step in range(400):
        easy = (step % 50 < 25) == easy_first
        level = 0.2 + 2.2 * math.exp(-step / 4) if easy else 2.1 + 0.4 * math.exp(-step / 100)
        losses.append(level * math.exp(draw.gauss(0, 0.2)))
    assert watch(losses) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([2.5], [11.0]),  # from the start: beyond knowing nothing
        ([2.5, 2.4, 2.2, 2.0, 1.8, 1.7, 1.6], [6.0]),
        ([4.3, 2.0, 1.0, 0.5, 0.3, 0.2] + [0.1] * 60, [4.3]),  # 77 classes: back to knowing nothing
        ([10.4, 8.0, 6.0, 5.0, 4.5, 4.0] + [3.7] * 60, [10.4]),
        ([2.0] * 20, [2.5, 3.0, 4.0, 6.0, 9.0]),  # slowly
    ],
)
def test_a_run_that_diverged_ends_after_the_window(before: list[float], after: list[float]) -> None:
    ended = watch(before + after + after[-1:] * 20)
    assert ended is not None
    assert len(before) + WINDOW - 1 <= ended < len(before) + len(after) + WINDOW


def test_fewer_bad_losses_than_the_window_are_forgiven() -> None:
    losses = [2.0, 1.5, 1.2, 1.0, 1.0, 1.0]
    for _ in range(5):
        losses += [50.0] * (WINDOW - 1) + [1.0]
    assert watch(losses) is None


def test_a_run_that_goes_on_is_measured_by_its_own_past() -> None:
    watchdog = LossWatchdog()
    past = [{"step": step, "loss": 1.0} for step in range(6)]
    watchdog.on_train_begin(None, SimpleNamespace(log_history=[*past, {"step": 6, "train_runtime": 1.0}]), None)
    state = SimpleNamespace(global_step=7)
    with pytest.raises(TrainerError, match="learningRate"):
        for _ in range(WINDOW):
            watchdog.on_log(None, state, None, {"loss": 9.0})


def model(whole: bool) -> Any:
    """A Llama of a few thousand weights; LoRA is trained, or the whole of it."""
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=16,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=TOKENS,
    )
    made = LlamaForCausalLM(config)
    return made if whole else get_peft_model(made, LoraConfig(r=8, lora_alpha=32, target_modules="all-linear"))


def rows(count: int, offset: int = 1) -> list[dict[str, list[int]]]:
    """Sequences that count upwards by `offset`, modulo the vocabulary."""
    ids = [[(start + offset * place) % 16 for place in range(TOKENS)] for start in range(count)]
    return [{"input_ids": row, "labels": row} for row in ids]


def loop(folder: Path, rate: float, steps: int, callbacks: list[Any], whole: bool = False) -> Any:
    """A Trainer that logs every step."""
    arguments = TrainingArguments(
        output_dir=str(folder / "scratch"),
        max_steps=steps,
        per_device_train_batch_size=8,
        learning_rate=rate,
        lr_scheduler_type="constant",
        logging_steps=1,
        logging_nan_inf_filter=False,
        max_grad_norm=0.0,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        seed=5,
        disable_tqdm=True,
    )
    made = Trainer(model=model(whole), args=arguments, train_dataset=rows(16))
    made.remove_callback(PrinterCallback)
    for callback in callbacks:
        made.add_callback(callback)
    return made


def held_out_loss(made: Any, data: list[dict[str, list[int]]]) -> float:
    ids = torch.tensor([row["input_ids"] for row in data])
    with torch.inference_mode():
        return float(made.model.eval()(input_ids=ids, labels=ids).loss)


def test_a_learning_rate_far_too_high_ends_as_diverged(tmp_path: Path) -> None:
    made = loop(tmp_path, rate=30.0, steps=60, callbacks=[LossWatchdog()], whole=True)
    with pytest.raises(TrainerError) as caught:
        made.train()
    assert caught.value.code is ExitCode.DIVERGED
    assert made.state.global_step < 60


def test_the_best_weights_are_kept_when_the_held_out_loss_rises(tmp_path: Path) -> None:
    other = rows(16, offset=3)
    measured: list[float] = []

    def measure() -> float:
        measured.append(held_out_loss(made, other))
        return measured[-1]

    made = loop(tmp_path, rate=0.02, steps=80, callbacks=[])
    settings = Settings(patience=3, every_steps=4)
    made.add_callback(EarlyStopping(settings, measure, made.log, tmp_path / "best.safetensors"))
    made.train()
    assert made.state.global_step < 80
    best = measured.index(min(measured))
    assert len(measured) == best + 1 + settings.patience
    assert made.state.global_step == 4 * len(measured)
    assert held_out_loss(made, other) == pytest.approx(measured[best], rel=1e-6)
    assert measured[best] < measured[-1] - 0.01
    assert [entry["eval_loss"] for entry in made.state.log_history if "eval_loss" in entry] == measured


def test_a_run_that_gets_better_all_the_time_is_not_stopped(tmp_path: Path) -> None:
    same = rows(16)
    made = loop(tmp_path, rate=0.005, steps=12, callbacks=[])
    stopping = EarlyStopping(
        Settings(patience=1), lambda: held_out_loss(made, same), made.log, tmp_path / "best.safetensors"
    )
    made.add_callback(stopping)
    made.train()
    assert made.state.global_step == 12
    state = stopping.state()
    assert (state["best_step"], state["worse"], state["judged"]) == (12, 0, 12)
    assert made.model.training


def test_too_small_an_improvement_does_not_count_but_its_weights_do(tmp_path: Path) -> None:
    losses = iter([2.0, 1.95, 1.9, 1.85, 1.0])
    made = loop(tmp_path, rate=0.005, steps=40, callbacks=[])
    settings = Settings(patience=3, min_improvement=0.5, every_steps=2)
    stopping = EarlyStopping(settings, lambda: next(losses), made.log, tmp_path / "best.safetensors")
    made.add_callback(stopping)
    made.train()
    assert made.state.global_step == 8
    assert (stopping.state()["best_loss"], stopping.state()["best_step"]) == (1.85, 8)


def test_early_stopping_goes_on_where_a_checkpoint_left_it(tmp_path: Path) -> None:
    made = loop(tmp_path, rate=0.005, steps=40, callbacks=[])
    settings = Settings(patience=3, every_steps=2)
    first = EarlyStopping(settings, lambda: 1.0, made.log, tmp_path / "best.safetensors")
    made.add_callback(first)
    control = TrainerControl()
    for step in (2, 4):
        made.state.global_step = step
        first.on_step_end(None, made.state, control, made.model)
    second = EarlyStopping(settings, lambda: 1.5, made.log, tmp_path / "best.safetensors")
    second.restore(json.loads(json.dumps(first.state())))
    for step, ends in ((6, False), (8, True)):
        made.state.global_step = step
        second.on_step_end(None, made.state, control, made.model)
        assert control.should_training_stop is ends


def test_a_held_out_loss_that_is_no_number_is_a_divergence(tmp_path: Path) -> None:
    made = loop(tmp_path, rate=0.005, steps=4, callbacks=[])
    settings = Settings(every_steps=2)
    made.add_callback(EarlyStopping(settings, lambda: math.nan, made.log, tmp_path / "best.safetensors"))
    with pytest.raises(TrainerError, match="held-out rows is nan at step 2"):
        made.train()


def test_a_loop_is_recorded_step_by_step_and_a_second_attempt_has_the_whole_curve(tmp_path: Path) -> None:
    work = tmp_path / "first"
    reporter = Reporter(lambda report: None, attempt=1)
    made = loop(tmp_path, rate=0.005, steps=5, callbacks=[Progress(reporter, 16 * TOKENS), Tracking(work)])
    stopping = EarlyStopping(Settings(every_steps=2), lambda: 1.0, made.log, tmp_path / "best.safetensors")
    made.add_callback(stopping)
    made.train()
    curve = loss_curve(work / "tracking")
    history = [entry for entry in made.state.log_history if "loss" in entry]
    assert [(point.step, point.loss) for point in curve] == [(entry["step"], entry["loss"]) for entry in history]
    assert all(point.tokens_per_second and point.learning_rate == 0.005 for point in curve)
    assert read_points(work / "tracking")[1].values["eval_loss"] == 1.0
    again = Tracking(tmp_path / "second")
    again.on_train_begin(None, made.state, None)
    assert read_points(tmp_path / "second" / "tracking") == read_points(work / "tracking")


def test_only_the_first_of_several_processes_records(tmp_path: Path) -> None:
    state = SimpleNamespace(is_world_process_zero=False, global_step=1, log_history=[{"step": 1, "loss": 1.0}])
    tracking = Tracking(tmp_path)
    tracking.on_train_begin(None, state, None)
    tracking.on_log(None, state, None, {"loss": 1.0})
    assert not (tmp_path / "tracking").exists()

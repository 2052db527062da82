"""What a checkpoint holds: trained weights, optimiser, scheduler, scaler, random numbers, place in the data, losses.

transformers saves and loads optimiser, scheduler, scaler and random numbers exactly. The rest is done here, because
its own resume does not go on exactly: it draws a length-grouped epoch anew, forgets the losses since the last log line,
keeps of a peft model only what inference needs, and cannot load a model that is neither of peft nor of transformers.
"""

import json
import random
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy
import torch
from safetensors.torch import load_file, save_file
from torch.distributed.tensor import DTensor, distribute_tensor

WEIGHTS = "trained.safetensors"
BEST = "best.safetensors"
"""Trained weights of the step that early stopping found best."""
LOOP = "loop.json"
TRAINER_STATE = "trainer_state.json"

Draws = dict[str, Any]
"""States of the random number generators that order the data, as JSON."""


@dataclass
class Loop:
    """Numbers of the loop that transformers' own state does not have. Losses are sums over optimiser steps.

    `running_loss`: since the last log line, which was at step `logged_step`; `total_loss`: up to there.
    `seconds`: wall-clock time of all attempts. `epoch_draws`: as the epoch began. `finished`: nothing is left to train.
    """

    running_loss: float = 0.0
    total_loss: float = 0.0
    logged_step: int = 0
    seconds: float = 0.0
    finished: bool = False
    epoch_draws: Draws = field(default_factory=dict)
    stopping: dict[str, Any] = field(default_factory=dict)


def save(trainer: Any, loop: Loop, folder: Path) -> None:
    """Write everything into `folder`. Raises OSError, RuntimeError."""
    save_weights(trainer.model, folder / WEIGHTS)
    trainer.state.save_to_json(str(folder / TRAINER_STATE))
    (folder / LOOP).write_text(json.dumps(asdict(loop)), encoding="utf-8")
    if not loop.finished:
        trainer._save_optimizer_and_scheduler(str(folder))
        trainer._save_scaler(str(folder))
        trainer._save_rng_state(str(folder))


def load_loop(folder: Path) -> Loop:
    """The loop's numbers."""
    return Loop(**json.loads((folder / LOOP).read_text(encoding="utf-8")))


def trained(model: Any) -> dict[str, Any]:
    """What training changes, by name: weights with a gradient, and the buffers that a saved model has."""
    weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    for path, module in model.named_modules():
        for name, buffer in module.named_buffers(recurse=False):
            if name not in module._non_persistent_buffers_set:
                weights[f"{path}.{name}" if path else name] = buffer
    return weights


def save_weights(model: Any, path: Path) -> None:
    """The trained weights as safetensors; all processes that share them must ask. Raises OSError."""
    save_file({name: whole(weight).detach().contiguous() for name, weight in trained(model).items()}, path)


def load_weights(model: Any, path: Path) -> None:
    """The reverse of `save_weights`. Raises ValueError where the model is another one."""
    saved, weights = load_file(path), trained(model)
    if saved.keys() != weights.keys():
        raise ValueError("the checkpoint has other weights than the model")
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(_like(weight, saved[name]))


def whole(weight: Any) -> Any:
    """A weight that is shared out among processes, put together in each; any other as it is."""
    return weight.full_tensor() if isinstance(weight, DTensor) else weight


def _like(weight: Any, saved: Any) -> Any:
    if not isinstance(weight, DTensor):
        return saved
    return distribute_tensor(saved.to(weight.device), weight.device_mesh, weight.placements, src_data_rank=None)


def draws() -> Draws:
    """The states of python's, numpy's and torch's generators."""
    version, internal, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = numpy.random.get_state()
    return {
        "python": [version, list(internal), gauss],
        "numpy": [kind, numpy.asarray(keys).tolist(), position, has_gauss, cached],
        "torch": torch.get_rng_state().tolist(),
    }


def set_draws(states: Draws) -> None:
    """The reverse of `draws`."""
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
    kind, keys, *rest = states["numpy"]
    numpy.random.set_state((kind, numpy.array(keys, dtype=numpy.uint32), *rest))
    torch.set_rng_state(torch.tensor(states["torch"], dtype=torch.uint8))

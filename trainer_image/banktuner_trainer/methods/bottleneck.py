"""Bottleneck adapters: a small network after a layer's parts, added to what passes through.

After Houlsby et al. (arXiv 1902.00751: after attention and feed-forward part) and Pfeiffer et al. (arXiv 2005.00247:
after the feed-forward part only). peft has no such method; files are named and shaped as peft's are.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from banktuner_api.finetunejob_methods import Adapter
from banktuner_api.run_config import RunConfig
from banktuner_trainer.errors import invalid_config
from banktuner_trainer.methods.base import Kind
from banktuner_trainer.methods.layouts import layout_of, modules_at

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
HEADS = ("classifier", "score")
"""Names of a classifier's new head, which is trained and saved too."""
_INITIAL_SPREAD = 0.02


@dataclass(frozen=True)
class BottleneckConfig:
    """adapter_config.json. `target_modules`: ends of the paths of the layers that a network stands behind."""

    hidden_size: int
    dropout: float
    placement: str
    target_modules: list[str]
    task_type: str
    base_model_name_or_path: str | None = None
    peft_type: str = "BOTTLENECK"


class Bottleneck(torch.nn.Module):
    """A layer whose output y becomes y + dropout(up(relu(down(y)))); y itself at first, because `up` starts at 0."""

    def __init__(self, base_layer: Any, config: BottleneckConfig) -> None:
        """`base_layer`: a Linear or a Conv1D."""
        super().__init__()
        features = int(getattr(base_layer, "nf", 0) or base_layer.out_features)
        place = {"device": base_layer.weight.device, "dtype": torch.float32}
        self.base_layer = base_layer
        self.down = torch.nn.Linear(features, config.hidden_size, **place)
        self.up = torch.nn.Linear(config.hidden_size, features, **place)
        self.dropout = torch.nn.Dropout(config.dropout)
        self.enabled = True
        torch.nn.init.normal_(self.down.weight, std=_INITIAL_SPREAD)
        for zeros in (self.down.bias, self.up.weight, self.up.bias):
            torch.nn.init.zeros_(zeros)

    def forward(self, hidden: Any) -> Any:
        """Shape (..., in features) -> (..., out features), in the base layer's number format."""
        passed = self.base_layer(hidden)
        if not self.enabled:
            return passed
        narrow = torch.relu(self.down(passed.to(self.down.weight.dtype)))
        return passed + self.dropout(self.up(narrow)).to(passed.dtype)


def wrap(model: Any, run: RunConfig, kind: Kind) -> Any:
    """The model itself with a network in every layer, everything else frozen but a classifier's head.

    Raises TrainerError (InvalidConfig) where the architecture is not known.
    """
    wanted = run.adapter or Adapter()
    layout = layout_of(model)
    if layout is None:
        message = f"method Adapter does not know where the layers of a {model.config.model_type} model end"
        raise invalid_config(message, "spec.method")
    houlsby = wanted.placement == "Houlsby"
    targets = [*([layout.attention_output] if houlsby else []), layout.feed_forward_output]
    inserted = insert(model, BottleneckConfig(wanted.hidden_size, wanted.dropout, wanted.placement, targets, kind))
    if run.training.gradient_checkpointing:
        inserted.enable_input_require_grads()
    return inserted


def insert(model: Any, config: BottleneckConfig) -> Any:
    """Put the networks into the model, in place; they and a classifier's head are what is trained from now on."""
    model.requires_grad_(False)
    for path, layer in list(modules_at(model, *config.target_modules)):
        parent, _, name = path.rpartition(".")
        setattr(model.get_submodule(parent), name, Bottleneck(layer, config))
    if config.task_type == "SEQ_CLS":
        for _, head in modules_at(model, *HEADS):
            head.requires_grad_(True)
    model.bottleneck_config = config
    return model


def save(model: Any, folder: Path) -> None:
    """adapter_config.json and adapter_model.safetensors: what is trained, and no more. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    trained = {name: weight.detach().cpu().contiguous() for name, weight in _trained(model)}
    save_file(trained, folder / WEIGHTS, metadata={"format": "pt"})
    text = json.dumps(asdict(model.bottleneck_config), indent=2, sort_keys=True)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")


def load(base: Any, folder: Path) -> Any:
    """The base model with the folder's networks in it, in evaluation mode. Raises OSError, ValueError."""
    config = BottleneckConfig(**json.loads((folder / CONFIG).read_text(encoding="utf-8")))
    model = insert(base, config)
    weights = load_file(folder / WEIGHTS)
    expected = {name for name, _ in _trained(model)}
    if set(weights) != expected:
        strange = sorted(set(weights) ^ expected)
        raise ValueError(f"{folder.name} does not belong to this model: {len(strange)} weights, such as {strange[0]}")
    model.load_state_dict(weights, strict=False)
    model.requires_grad_(False)
    return model.eval()


@contextmanager
def without(model: Any) -> Iterator[None]:
    """The base model's answers, inside the context."""
    networks = [module for module in model.modules() if isinstance(module, Bottleneck)]
    for network in networks:
        network.enabled = False
    try:
        yield
    finally:
        for network in networks:
            network.enabled = True


def _trained(model: Any) -> Iterator[tuple[str, Any]]:
    return ((name, weight) for name, weight in model.named_parameters() if weight.requires_grad)

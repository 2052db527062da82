"""A trained classifier's own files beside those of its encoder: head.safetensors and classifier.json."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from banktuner_trainer.classify.calibration import Calibration
from banktuner_trainer.classify.model import Classifier
from banktuner_trainer.classify.scope import ScopeScore

WEIGHTS = "head.safetensors"
DESCRIPTION = "classifier.json"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Description:
    """What the numbers mean. `max_length` in tokens: longer texts are cut."""

    labels: list[str]
    max_length: int
    calibration: Calibration

    def to_json(self) -> dict[str, Any]:
        """As classifier.json has it; the gateway reads labels, maxLength and outOfScope.threshold."""
        found = self.calibration
        return {
            "schemaVersion": SCHEMA_VERSION,
            "labels": self.labels,
            "maxLength": self.max_length,
            "outOfScope": {"threshold": found.threshold, "calibration": asdict(found)},
        }

    @staticmethod
    def from_json(content: dict[str, Any]) -> "Description":
        """The reverse. Raises KeyError, TypeError."""
        calibration = Calibration(**content["outOfScope"]["calibration"])
        return Description(content["labels"], content["maxLength"], calibration)


def save(model: Classifier, score: ScopeScore, description: Description, folder: Path) -> None:
    """Write both files. Raises OSError."""
    tensors = {f"head.{name}": tensor for name, tensor in model.head.state_dict().items()}
    tensors |= {f"scope.{name}": tensor for name, tensor in score.state_dict().items()}
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, folder / WEIGHTS)
    write_description(description, folder)


def write_description(description: Description, folder: Path) -> None:
    """classifier.json. Raises OSError."""
    text = json.dumps(description.to_json(), indent=2, ensure_ascii=False)
    (folder / DESCRIPTION).write_text(text + "\n", encoding="utf-8")


def load(encoder: Any, folder: Path) -> tuple[Classifier, ScopeScore, Description]:
    """The classifier on `encoder`, which holds the artifact's adapter already, frozen and in evaluation mode.

    Raises OSError, ValueError, KeyError where the files do not belong together.
    """
    description = Description.from_json(json.loads((folder / DESCRIPTION).read_text(encoding="utf-8")))
    tensors = load_file(folder / WEIGHTS)
    outputs = len(tensors["head.directions"])
    model = Classifier(encoder, outputs, smoothing=0.0)
    model.head.load_state_dict(_below("head.", tensors))
    score = ScopeScore(len(description.labels), torch.zeros_like(tensors["scope.memory"]))
    score.load_state_dict(_below("scope.", tensors))
    return model.requires_grad_(False).eval(), score.eval(), description


def _below(prefix: str, tensors: dict[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

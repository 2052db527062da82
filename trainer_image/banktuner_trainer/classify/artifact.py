"""A trained classifier's own files beside those of its encoder: head.safetensors and classifier.json."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from banktuner_trainer.classify.calibration import Calibration
from banktuner_trainer.classify.judge import Judge
from banktuner_trainer.classify.model import Classifier

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


@dataclass(frozen=True)
class Trained:
    """A classifier with everything that it answers with; the judge has the model's head."""

    model: Classifier
    judge: Judge
    description: Description


def save(trained: Trained, folder: Path) -> None:
    """Write both files. Raises OSError."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in trained.judge.state_dict().items()}
    save_file(tensors, folder / WEIGHTS)
    write_description(trained.description, folder)


def write_description(description: Description, folder: Path) -> None:
    """classifier.json. Raises OSError."""
    text = json.dumps(description.to_json(), indent=2, ensure_ascii=False)
    (folder / DESCRIPTION).write_text(text + "\n", encoding="utf-8")


def load(encoder: Any, folder: Path) -> Trained:
    """The classifier on `encoder`, which holds the artifact's adapter already, frozen and in evaluation mode.

    Raises OSError, ValueError, KeyError where the files do not belong together.
    """
    description = Description.from_json(json.loads((folder / DESCRIPTION).read_text(encoding="utf-8")))
    tensors = load_file(folder / WEIGHTS)
    model = Classifier(encoder, len(tensors["head.directions"]))
    judge = Judge(model.head, torch.zeros_like(tensors["memory"]), torch.zeros_like(tensors["strangers"]))
    judge.load_state_dict(tensors)
    model.to(encoder.device)
    return Trained(model.requires_grad_(False).eval(), judge.to(encoder.device).eval(), description)

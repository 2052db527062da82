"""A classifier as one ONNX graph for the gateway: token ids in, logits and the calibrated out-of-scope score out."""

import logging
import warnings
from pathlib import Path
from typing import Any

import torch

from banktuner_trainer.classify import artifact
from banktuner_trainer.classify.judge import Judge
from banktuner_trainer.classify.model import Classifier
from banktuner_trainer.methods.base import TuningMethod
from banktuner_trainer.models import load_plain_encoder

logger = logging.getLogger(__name__)

FOLDER, GRAPH = "onnx", "classifier.onnx"
INPUTS, OUTPUTS = ("input_ids", "attention_mask"), ("logits", "out_of_scope")
OPSET = 18
LARGEST_BYTES = 1_900_000_000
"""One ONNX file holds less than 2 GB."""


class Served(torch.nn.Module):
    """What the gateway asks for: of (rows, tokens) ids and mask, (rows, labels) logits and (rows,) probabilities."""

    def __init__(self, model: Classifier, judge: Judge) -> None:
        """Both in evaluation mode, on the CPU."""
        super().__init__()
        self.model = model
        self.judge = judge

    def forward(self, input_ids: Any, attention_mask: Any) -> tuple[Any, Any]:
        """See the class."""
        logits, out_of_scope = self.judge(self.model.pooled(input_ids, attention_mask))
        return logits, out_of_scope


def write_onnx(method: TuningMethod, base: Path, folder: Path, tokenizer: Any) -> None:
    """Write onnx/ into the artifact `folder`, from the artifact's own files on the base model's weights in float32.

    `base`: the base model's folder. A model too large for one file has no onnx/. Raises OSError.
    """
    served, description = load_served(method, base, folder)
    size = sum(weight.numel() for weight in served.state_dict().values()) * 4
    if size > LARGEST_BYTES:
        logger.info("no ONNX: the model takes %d bytes, and one file holds 2 GB", size)
        return
    target = folder / FOLDER
    target.mkdir(exist_ok=True)
    _export(served, target / GRAPH)
    artifact.write_description(description, target)
    (target / "tokenizer.json").write_text(tokenizer.backend_tokenizer.to_str(), encoding="utf-8")


def load_served(method: TuningMethod, base: Path, folder: Path) -> tuple[Served, artifact.Description]:
    """What the artifact's files make of the base model, an adapter merged into the weights where it can be."""
    encoder = load_plain_encoder(base if method.load else folder)
    if method.load is not None:
        encoder = method.load(encoder, folder)
    if method.merge is not None:
        encoder = method.merge(encoder)
    trained = artifact.load(encoder, folder)
    return Served(trained.model, trained.judge).eval(), trained.description


def _export(served: Served, path: Path) -> None:
    ids = torch.ones(2, 16, dtype=torch.long)
    sizes = {0: torch.export.Dim("rows"), 1: torch.export.Dim("tokens", min=2)}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            served,
            (ids, ids.clone()),
            str(path),
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            dynamic_shapes=(sizes, sizes),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )

"""Makes the gateway's encoder folder of a sentence encoder's: onnx/model.onnx beside the tokenizer's files.

Runs where the trainer's libraries are: `python export_encoder.py MODEL_FOLDER NEW_FOLDER`.
"""

import argparse
import shutil
import warnings
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel

KEPT = ("tokenizer.json", "sentence_bert_config.json")


class States(torch.nn.Module):
    """(rows, tokens) ids and mask to (rows, tokens, width) last hidden states."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Any, attention_mask: Any) -> Any:
        """See the class."""
        return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


def export(source: Path, target: Path) -> None:
    """Write `target`; its tokenizer files are those of `source`. Raises OSError, ValueError."""
    model = AutoModel.from_pretrained(
        source, local_files_only=True, use_safetensors=True, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    (target / "onnx").mkdir(parents=True, exist_ok=True)
    ids = torch.ones(2, 16, dtype=torch.long)
    sizes = {0: torch.export.Dim("rows"), 1: torch.export.Dim("tokens", min=2)}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            States(model),
            (ids, ids.clone()),
            str(target / "onnx" / "model.onnx"),
            input_names=["input_ids", "attention_mask"],
            output_names=["last_hidden_state"],
            dynamic_shapes=(sizes, sizes),
            dynamo=True,
            external_data=False,
            opset_version=18,
            verbose=False,
        )
    for name in KEPT:
        if (source / name).exists():
            shutil.copyfile(source / name, target / name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="folder with config.json, model.safetensors, tokenizer.json")
    parser.add_argument("target", type=Path, help="folder to write")
    options = parser.parse_args()
    export(options.source, options.target)

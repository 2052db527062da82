"""A staged sentence encoder: texts to sentence vectors and to token vectors. Nothing is downloaded."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

from banktuner_trainer.errors import invalid_model
from banktuner_trainer.evaluate.similarity import TokenVectors, Vectors

FIELD = "spec.evaluation.encoder.uri"
ROWS_A_BATCH = 32
LONGEST = 256
"""Tokens that are read of a text; the limit of the MiniLM sentence encoders."""
LAYER_SHARE = 0.75
"""BERTScore takes the hidden states three quarters up, rounded up: what its authors found best for BERT (9 of 12
layers, 18 of 24) and DistilBERT (5 of 6)."""


class Encoder:
    """Loads once, on the CPU or the GPU. Texts may be empty."""

    def __init__(self, folder: Path, cuda: bool) -> None:
        """Raises TrainerError (InvalidModel)."""
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            self._model: Any = AutoModel.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise invalid_model(f"the encoder cannot be loaded ({type(error).__name__})", FIELD) from error
        self._model.eval().to("cuda" if cuda else "cpu")
        positions = getattr(self._model.config, "max_position_embeddings", LONGEST)
        self._length = min(LONGEST, int(positions))
        self.layer = max(1, math.ceil(LAYER_SHARE * int(self._model.config.num_hidden_layers)))

    def sentences(self, texts: Sequence[str]) -> Vectors:
        """Mean of the last hidden states of each text's tokens; shape (texts, width)."""
        vectors = np.zeros((len(texts), self._model.config.hidden_size), dtype=np.float32)
        for places, batch in self._batches(texts):
            with torch.inference_mode():
                states = self._model(**batch).last_hidden_state
            mask = batch["attention_mask"].unsqueeze(-1)
            means = (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
            vectors[places] = means.cpu().numpy()
        return vectors

    def tokens(self, texts: Sequence[str]) -> list[TokenVectors]:
        """Unit vectors of each text's tokens at `layer`; tokens that frame a text weigh nothing."""
        empty = np.zeros((0, self._model.config.hidden_size), dtype=np.float32)
        found = [TokenVectors(empty, np.zeros(0, dtype=np.float32)) for _ in texts]
        special = torch.tensor(self._tokenizer.all_special_ids, device=self._model.device)
        for places, batch in self._batches(texts):
            with torch.inference_mode():
                states = self._model(**batch, output_hidden_states=True).hidden_states[self.layer]
            states = torch.nn.functional.normalize(states, dim=-1)
            for row, place in enumerate(places):
                real = batch["attention_mask"][row].bool()
                weights = (~torch.isin(batch["input_ids"][row][real], special)).float()
                found[place] = TokenVectors(states[row][real].cpu().numpy(), weights.cpu().numpy())
        return found

    def _batches(self, texts: Sequence[str]) -> Any:
        """(places, tensors) of texts of about one length; texts without a token are left out."""
        ids = self._tokenizer(list(texts), truncation=True, max_length=self._length)["input_ids"] if texts else []
        order = sorted((place for place in range(len(texts)) if ids[place]), key=lambda place: len(ids[place]))
        for start in range(0, len(order), ROWS_A_BATCH):
            places = order[start : start + ROWS_A_BATCH]
            batch = self._tokenizer.pad({"input_ids": [ids[place] for place in places]}, return_tensors="pt")
            yield places, {name: batch[name].to(self._model.device) for name in ("input_ids", "attention_mask")}

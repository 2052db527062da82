"""A masker, and name models: one that a table of words is, and one that was trained."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordPiece

from banktuner_gateway.privacy import Masker, StreamMasker

ROOT = Path(__file__).resolve().parents[3]
TRAINER = ROOT / ".venv-trainer" / "bin" / "python"
SCRIPT = Path(__file__).with_name("train_names.py")
LABELS = {"0": "O", "1": "B-PER", "2": "I-PER", "3": "B-LOC"}


@pytest.fixture(scope="module")
def masker() -> Masker:
    return Masker()


def streamed(masker: Masker, text: str) -> str:
    """`text` masked character by character."""
    stream = StreamMasker(masker)
    return "".join([stream.feed(character) for character in text]) + stream.flush()


def table_model(folder: Path, scores: dict[str, list[float]], labels: dict[str, str] = LABELS, **config: int) -> Path:
    """A token classifier whose scores are a table: the word pieces of `scores` have these, every other one is O."""
    words = ["[UNK]", *scores]
    tokenizer = Tokenizer(WordPiece({word: place for place, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    table = np.array([[9.0, 0.0, 0.0, 0.0], *scores.values()], dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["logits"])],
        "names",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["rows", "tokens"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["rows", "tokens", 4])],
        [numpy_helper.from_array(table, "table")],
    )
    folder.mkdir(parents=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, folder / "model.onnx")
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps({"id2label": labels, **config}))
    return folder


@pytest.fixture(scope="session")
def trained_names() -> Path:
    """A small BERT that was trained on made-up sentences; made once for each version of the script."""
    folder = ROOT / "build" / "names" / hashlib.sha256(SCRIPT.read_bytes()).hexdigest()[:12]
    if not folder.exists():
        if not TRAINER.exists():
            pytest.fail("the name model is trained with the trainer's libraries: make .venv-trainer/.ready")
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=folder.parent))
        environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
        subprocess.run([TRAINER, SCRIPT, beside], env=environment, check=True, timeout=1200)
        try:
            beside.rename(folder)
        except OSError:
            # Another process was faster.
            shutil.rmtree(beside)
    return folder

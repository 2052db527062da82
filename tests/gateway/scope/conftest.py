"""A small real classifier: word counts in an ONNX graph, as a Classification artifact's onnx/ folder has it."""

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace

from banktuner_gateway.scope.classifier import IntentClassifier

BANKING = [
    *("How do I freeze my card?", "How do I transfer money?", "What are the ATM fees?", "When is my salary deposited?"),
    *("I want to dispute a transaction", "How do I open an account?", "Which loan can I get?", "Is my money insured?"),
    *("You can see your balance in the app.", "Transfers arrive on the next working day.", "Your card is frozen."),
    *("The fee for a transfer is two dollars.", "Loans have a fee of one percent.", "Open your account in the app."),
]
OTHER = [
    *("What is the capital of France?", "Who won the Super Bowl?", "What is 2+2?", "Tell me a joke", "Will it rain?"),
    *("How is the weather in Paris?", "How do I bake bread?", "Write a poem about autumn", "Who wrote Hamlet?"),
    *("The capital of France is Paris.", "It will be sunny and warm.", "Shakespeare wrote Hamlet.", "Knead the dough."),
    *("Roses are red and violets are blue.", "The dragon lived in a dark cave.", "Dogs like long walks."),
]
UNKNOWN = "[UNK]"


def write_artifact(folder: Path) -> None:
    """Naive Bayes on the two lists above: a text's log-odds are the sum of its words'."""
    ours, theirs = _counts(BANKING), _counts(OTHER)
    words = [UNKNOWN, *sorted({*ours, *theirs})]
    odds = [0.0, *(2 * math.log((theirs[word] + 0.2) / (ours[word] + 0.2)) for word in words[1:])]
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token=UNKNOWN))
    tokenizer.normalizer, tokenizer.pre_tokenizer = Lowercase(), Whitespace()
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    description = {"labels": ["general", "card"], "maxLength": 64, "outOfScope": {"threshold": 0.5}}
    (folder / "classifier.json").write_text(json.dumps(description), encoding="utf-8")
    onnx.save(_graph(np.array(odds, dtype=np.float32), words.index("card")), folder / "classifier.onnx")


def _graph(odds: np.ndarray, card: int) -> onnx.ModelProto:
    weights = np.stack([np.zeros_like(odds), np.zeros_like(odds)], axis=1)
    weights[card, 1] = 5.0
    constants = {"odds": odds, "weights": weights, "axis": np.array([1]), "last": np.array([2])}
    nodes = [
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Gather", ["odds", "input_ids"], ["of_words"]),
        helper.make_node("Mul", ["of_words", "mask"], ["of_real_words"]),
        helper.make_node("ReduceSum", ["of_real_words", "axis"], ["log_odds"], keepdims=0),
        helper.make_node("Sigmoid", ["log_odds"], ["out_of_scope"]),
        helper.make_node("Gather", ["weights", "input_ids"], ["of_labels"]),
        helper.make_node("Unsqueeze", ["mask", "last"], ["wide_mask"]),
        helper.make_node("Mul", ["of_labels", "wide_mask"], ["of_real_labels"]),
        helper.make_node("ReduceSum", ["of_real_labels", "axis"], ["logits"], keepdims=0),
    ]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["rows", "tokens"]) for name in INPUTS]
    outputs = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["rows", 2]),
        helper.make_tensor_value_info("out_of_scope", TensorProto.FLOAT, ["rows"]),
    ]
    initial = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "words", inputs, outputs, initial)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


INPUTS = ("input_ids", "attention_mask")


def _counts(texts: Sequence[str]) -> Counter[str]:
    return Counter(word for text in texts for word in re.findall(r"\w+|[^\w\s]+", text.lower()))


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder onnx/ of an artifact."""
    folder = tmp_path_factory.mktemp("artifact") / "onnx"
    write_artifact(folder)
    return folder


@pytest.fixture(scope="session")
def classifier(artifact: Path) -> IntentClassifier:
    return IntentClassifier(artifact)

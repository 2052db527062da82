"""Small models and data for the trainer's tests; every model is made here by real training steps."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.harness import Pod, run_config, write_jsonl

PRODUCTS = ["debit card", "credit card", "savings account", "loan", "wire transfer", "statement"]


def answers(count: int, surcharge: int = 0) -> list[dict[str, Any]]:
    """Alpaca rows with few distinct answers, so that a few steps teach something."""
    return [
        {
            "instruction": f"What is the fee for a {PRODUCTS[index % 6]}?",
            "input": f"Customer {index % 11}" if index % 3 == 0 else "",
            "output": f"The fee for a {PRODUCTS[index % 6]} is {index % 6 * 5 + surcharge} dollars.",
        }
        for index in range(count)
    ]


def intents(count: int) -> list[dict[str, str]]:
    """Texts whose label follows from one word."""
    labels = ["card", "loan", "transfer"]
    return [
        {"text": f"please help me with my {labels[n % 3]} number {n % 7}", "label": labels[n % 3]} for n in range(count)
    ]


@pytest.fixture(scope="session", autouse=True)
def nothing_hidden() -> Iterator[None]:
    """A run in this process hides no package: libraries remember for good what is installed, and other runs need it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("banktuner_trainer.__main__.hide", lambda *_: None)
        yield


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pod:
    """An empty pod whose paths this process uses."""
    made = Pod(tmp_path)
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture(scope="session")
def train_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Alpaca rows to train on."""
    return write_jsonl(tmp_path_factory.mktemp("data") / "train.jsonl", answers(240, surcharge=2))


@pytest.fixture(scope="session")
def test_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Alpaca rows to evaluate with."""
    return write_jsonl(tmp_path_factory.mktemp("data") / "test.jsonl", answers(24, surcharge=2))


@pytest.fixture(scope="session")
def base_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small Llama that a Pretraining job made; it knows other fees than the ones tuned on."""
    pytest.importorskip("torch")
    from banktuner_trainer.attempt import run_attempt
    from banktuner_trainer.settings import paths_from

    made = Pod(tmp_path_factory.mktemp("base"))
    architecture = {"hiddenSize": 64, "layers": 2, "heads": 4, "vocabularySize": 400, "contextLength": 128}
    run = run_config("Pretraining", "Full", architecture=architecture, training={"epochs": 3, "learningRate": 0.01})
    made.stage(run, write_jsonl(made.root / "base.jsonl", answers(240)))
    made.answer_requests(run)
    run_attempt(run, paths_from(made.environment()))
    return made.output


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small BERT with random weights, the same ones wherever the tests run.

    Its own dropout would be noise as large as what there is to learn.
    """
    torch = pytest.importorskip("torch")
    from transformers import BertConfig, BertModel

    from banktuner_api.finetunejob_data import Architecture
    from banktuner_trainer.scratch_model import train_tokenizer

    folder = tmp_path_factory.mktemp("encoder")
    texts = [row["text"] for row in intents(60)]
    tokenizer = train_tokenizer(texts, Architecture(vocabulary_size=300, context_length=64))
    tokenizer.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        initializer_range=0.2,
        max_position_embeddings=64,
        pad_token_id=tokenizer.pad_token_id,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    torch.manual_seed(0)
    BertModel(config).save_pretrained(folder)
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The trainer's libraries are set to the threads of this machine before the first test imports them."""
    if "torch" not in sys.modules:
        from banktuner_trainer.environment import cpu_limit, limit_threads

        limit_threads(cpu_limit())

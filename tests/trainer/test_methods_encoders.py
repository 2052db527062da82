# ruff: noqa: E402
"""Every method on encoders, as Classification wraps them: features learn, are saved and come back; refusals say why."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from transformers import (
    AutoModel,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    LlamaConfig,
    ModernBertConfig,
    MPNetConfig,
    RobertaConfig,
)

from banktuner_api.finetunejob_methods import Method
from banktuner_api.run_config import RunConfig
from banktuner_trainer import models
from banktuner_trainer.device import Device
from banktuner_trainer.errors import TrainerError
from banktuner_trainer.methods import METHODS
from banktuner_trainer.models import context_length, load_encoder
from tests.trainer.harness import run_config

SIZE = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 66,
    "pad_token_id": 1,
}
ENCODERS: dict[str, Callable[[], Any]] = {
    "BERT": lambda: BertConfig(**SIZE),
    "RoBERTa": lambda: RobertaConfig(**SIZE),
    "MPNet": lambda: MPNetConfig(**SIZE),
    "DistilBERT": lambda: DistilBertConfig(
        vocab_size=96, dim=32, n_layers=2, n_heads=4, hidden_dim=64, max_position_embeddings=66, pad_token_id=1
    ),
    "DeBERTa": lambda: DebertaV2Config(**SIZE),
    "ModernBERT": lambda: ModernBertConfig(**SIZE, bos_token_id=2, eos_token_id=3, cls_token_id=2, sep_token_id=3),
    "Llama": lambda: LlamaConfig(**SIZE),
}
HAVE_CACHE = {"BERT", "RoBERTa", "Llama"}
RATES = {Method.IA3: 0.05, Method.PREFIX_TUNING: 0.05, Method.ADAPTER: 0.002, Method.FULL: 0.002}
CPU = Device(cuda=False, bf16=False, fp16=False)
IDS = (torch.arange(48).reshape(4, 12) * 7) % 92 + 4
MASK = torch.ones_like(IDS)
MASK[0, 9:] = 0


def settings(method: Method) -> RunConfig:
    blocks = {
        Method.QLORA: {"quantization": {"computeType": "float32"}},
        Method.ADAPTER: {"adapter": {"hiddenSize": 8}},
    }
    return run_config("Classification", method.value, **blocks.get(method, {}))


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in made:
            torch.manual_seed(5)
            made[name] = tmp_path_factory.mktemp("encoder")
            AutoModel.from_config(ENCODERS[name](), dtype=torch.float32).save_pretrained(made[name])
        return made[name]

    return folder


def load(folder: Path, run: RunConfig) -> Any:
    return load_encoder(folder, run, CPU, vocabulary=96).eval()


def features(model: Any) -> Any:
    """Mean of the tokens' vectors; shape (rows, width)."""
    hidden = model(input_ids=IDS, attention_mask=MASK).last_hidden_state
    return (hidden * MASK[..., None]).sum(1) / MASK.sum(1, keepdim=True)


@pytest.mark.parametrize("architecture", ENCODERS)
def test_an_encoder_reads_as_many_tokens_as_it_is_given(architecture: str, folder_of: Callable[[str], Path]) -> None:
    run = run_config("Classification", "Full", training={"maxLength": 512})
    encoder = load(folder_of(architecture), run)
    length = context_length(encoder, run)
    assert length == {"RoBERTa": 64, "MPNet": 64}.get(architecture, 66)
    assert encoder(input_ids=torch.full((1, length), 5)).last_hidden_state.shape[1] == length


@pytest.mark.parametrize("architecture", ENCODERS)
@pytest.mark.parametrize("method", Method)
def test_encoder_learns_and_is_the_same_after_reloading(
    method: Method, architecture: str, folder_of: Callable[[str], Path], tmp_path: Path
) -> None:
    folder, run, tuning = folder_of(architecture), settings(method), METHODS[method]
    base = load(folder, run)
    untuned = features(base).detach()
    if method is Method.PREFIX_TUNING and architecture not in HAVE_CACHE:
        with pytest.raises(TrainerError, match="needs a cache of keys and values") as refusal:
            tuning.wrap(base, run, "FEATURE_EXTRACTION")
        assert refusal.value.field == "spec.method"
        return
    model = tuning.wrap(base, run, "FEATURE_EXTRACTION").eval()
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    optimizer = torch.optim.AdamW([part for part in model.parameters() if part.requires_grad], RATES.get(method, 0.01))
    target, losses = untuned.flip(0), []
    for _ in range(4):
        loss = (features(model) - target).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    changed = {name for name, weight in model.named_parameters() if not torch.equal(weight, before[name])}
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert changed <= trained and len(changed) > 0.7 * len(trained)  # some have no part in the features
    tuned = features(model).detach()
    tuning.save(model, tmp_path)
    if tuning.load is None or tuning.without is None:
        again = load(tmp_path, run)
    else:
        with tuning.without(model):
            torch.testing.assert_close(features(model), untuned)
        again = tuning.load(load(folder, run), tmp_path)
    torch.testing.assert_close(features(again), tuned, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("cuda", "bf16", "method", "installed", "chosen"),
    [
        (True, True, "QLoRA", True, "flash_attention_2"),
        (True, True, "LoRA", False, "sdpa"),
        (True, False, "LoRA", True, "sdpa"),
        (True, True, "Full", True, "sdpa"),
        (False, True, "LoRA", True, "sdpa"),
    ],
)
def test_attention_is_what_is_there(
    cuda: bool, bf16: bool, method: str, installed: bool, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "find_spec", lambda name: name if installed else None)
    device = Device(cuda=cuda, bf16=bf16, fp16=False)
    assert models.attention(run_config("Instruction", method), device) == chosen

# ruff: noqa: E402
"""Every method on every architecture of the mission: trained, saved, loaded, merged; only what may change changes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    Phi3Config,
)

from banktuner_api.finetunejob_methods import Method
from banktuner_api.run_config import RunConfig
from banktuner_trainer.device import Device
from banktuner_trainer.errors import TrainerError
from banktuner_trainer.methods import METHODS
from banktuner_trainer.methods.bottleneck import Bottleneck
from banktuner_trainer.models import context_length, load_causal
from tests.trainer.harness import run_config

SIZE = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
ARCHITECTURES: dict[str, Any] = {
    "TinyLlama-1.1B": lambda: LlamaConfig(**SIZE, num_key_value_heads=1),
    "Llama-2-7B": lambda: LlamaConfig(**SIZE),
    "Llama-3-8B": lambda: LlamaConfig(**SIZE, num_key_value_heads=2, rope_parameters=LLAMA3_ROPE),
    "Mistral-7B": lambda: MistralConfig(**SIZE, num_key_value_heads=2, sliding_window=48),
    "Phi-3-mini": lambda: Phi3Config(**SIZE, sliding_window=47),
    "GPT-2": lambda: GPT2Config(
        **{"vocab_size": 96, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64},
        **{"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0},
    ),
}
RATES = {Method.IA3: 0.05, Method.PREFIX_TUNING: 0.05, Method.FULL: 0.005}
CPU = Device(cuda=False, bf16=False, fp16=False)
IDS = (torch.arange(48).reshape(4, 12) * 7) % 93 + 3
MASK = torch.ones_like(IDS)
MASK[0, 9:] = 0
LABELS = IDS.masked_fill(MASK == 0, -100)


def settings(method: Method, **changes: Any) -> RunConfig:
    """Settings without chance in them, so that losses can be compared."""
    blocks: dict[Method, dict[str, Any]] = {
        Method.LORA: {"lora": {"rank": 4, "dropout": 0.0}},
        Method.QLORA: {"lora": {"rank": 4, "dropout": 0.0}, "quantization": {"computeType": "float32"}},
        Method.ADAPTER: {"adapter": {"dropout": 0.0, "hiddenSize": 16}},
    }
    return run_config("Instruction", method.value, **(blocks.get(method, {}) | changes))


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a small model with random weights; made once for each architecture."""
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in made:
            torch.manual_seed(3)
            made[name] = tmp_path_factory.mktemp("model")
            config = ARCHITECTURES[name]()
            AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(made[name])
        return made[name]

    return folder


def load(folder: Path, run: RunConfig) -> Any:
    return load_causal(folder, run, CPU, vocabulary=96)


@torch.no_grad()
def logits(model: Any) -> Any:
    model.eval()
    return model(input_ids=IDS, attention_mask=MASK).logits


def learn(model: Any, rate: float, steps: int = 4) -> list[float]:
    """The loss before each step, without dropout."""
    model.eval()
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=rate)
    losses = []
    for _ in range(steps):
        loss = model(input_ids=IDS, attention_mask=MASK, labels=LABELS).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("method", Method)
def test_learns_and_is_the_same_after_reloading(
    method: Method, architecture: str, folder_of: Callable[[str], Path], tmp_path: Path
) -> None:
    folder, run, tuning = folder_of(architecture), settings(method), METHODS[method]
    base = load(folder, run)
    untuned = logits(base)
    model = tuning.wrap(base, run, "CAUSAL_LM")
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    losses = learn(model, RATES.get(method, 0.01))
    assert all(0 < loss < 10 for loss in losses)
    assert losses[-1] < losses[0] - 0.001
    changed = {name for name, weight in model.named_parameters() if not torch.equal(weight, before[name])}
    assert changed == {name for name, weight in model.named_parameters() if weight.requires_grad}
    tuned = logits(model)
    assert not torch.allclose(tuned, untuned, atol=1e-3)
    tuning.save(model, tmp_path)
    if tuning.load is None or tuning.without is None:
        assert len(changed) == len(before)
        again = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
        assert again.config.use_cache
    else:
        assert {path.suffix for path in tmp_path.iterdir()} <= {".json", ".safetensors", ".md"}
        assert sum(weight.numel() for name, weight in before.items() if name in changed) < 0.5 * sum(
            weight.numel() for weight in base.parameters()
        )
        with tuning.without(model):
            torch.testing.assert_close(logits(model), untuned)
        torch.testing.assert_close(logits(model), tuned)
        again = tuning.load(load(folder, run), tmp_path)
        assert not any(weight.requires_grad for weight in again.parameters())
    torch.testing.assert_close(logits(again), tuned, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("method", [method for method in Method if METHODS[method].merge is not None])
def test_merged_answers_as_base_and_adapter_do(
    method: Method, architecture: str, folder_of: Callable[[str], Path], tmp_path: Path
) -> None:
    run, tuning = settings(method), METHODS[method]
    model = tuning.wrap(load(folder_of(architecture), run), run, "CAUSAL_LM")
    learn(model, RATES.get(method, 0.01))
    tuning.save(model, tmp_path)
    plain = load(folder_of(architecture), settings(Method.LORA))  # in 32 bit, also for QLoRA
    assert tuning.load is not None and tuning.merge is not None
    again = tuning.load(plain, tmp_path)
    expected = logits(again)
    merged = tuning.merge(again)
    assert type(merged).__name__.endswith(("ForCausalLM", "LMHeadModel"))
    torch.testing.assert_close(logits(merged), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", [method for method in Method if method is not Method.FULL])
def test_gradients_are_the_same_with_checkpointing(method: Method, folder_of: Callable[[str], Path]) -> None:
    found: list[dict[str, Any]] = []
    for checkpointing in (False, True):
        run = settings(method, training={"gradientCheckpointing": checkpointing})
        base = load(folder_of("Llama-3-8B"), run)
        torch.manual_seed(11)
        if method is Method.PREFIX_TUNING and checkpointing:
            with pytest.raises(TrainerError, match="gradientCheckpointing does not go with method PrefixTuning"):
                METHODS[method].wrap(base, run, "CAUSAL_LM")
            return
        model = METHODS[method].wrap(base, run, "CAUSAL_LM").train()
        if checkpointing:
            base.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
        model(input_ids=IDS, attention_mask=MASK, labels=LABELS).loss.backward()
        found.append({name: weight.grad for name, weight in model.named_parameters() if weight.requires_grad})
    assert found[0].keys() == found[1].keys()
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient)


@pytest.mark.parametrize("architecture", ["Mistral-7B", "GPT-2"])
@pytest.mark.parametrize("projection", [False, True])
def test_a_prefix_generates_as_it_reads(architecture: str, projection: bool, folder_of: Callable[[str], Path]) -> None:
    run = settings(Method.PREFIX_TUNING, prefixTuning={"virtualTokens": 5, "projection": projection})
    model = METHODS[Method.PREFIX_TUNING].wrap(load(folder_of(architecture), run), run, "CAUSAL_LM")
    learn(model, 0.05)
    answers = model.generate(input_ids=IDS[1:2], attention_mask=MASK[1:2], max_new_tokens=4, do_sample=False)
    text = IDS[1:2]
    for _ in range(4):
        scores = model(input_ids=text, attention_mask=torch.ones_like(text)).logits[:, -1]
        text = torch.cat([text, scores.argmax(-1, keepdim=True)], dim=1)
    assert answers.tolist() == text.tolist()


@pytest.mark.parametrize("rank", [4, 64])
@pytest.mark.parametrize("rslora", [False, True])
def test_lora_as_asked(rank: int, rslora: bool, folder_of: Callable[[str], Path]) -> None:
    lora = {"rank": rank, "alpha": 16, "dropout": 0.2, "targetModules": ["q_proj", "v_proj"], "useRslora": rslora}
    run = settings(Method.LORA, lora=lora)
    model = METHODS[Method.LORA].wrap(load(folder_of("Llama-2-7B"), run), run, "CAUSAL_LM")
    layer = model.base_model.model.model.layers[1].self_attn
    assert layer.q_proj.scaling["default"] == pytest.approx(16 / (rank**0.5 if rslora else rank))
    assert layer.q_proj.lora_dropout["default"].p == 0.2
    assert not hasattr(layer.k_proj, "lora_A")
    assert trained(model) == 2 * 2 * 2 * rank * 32


def trained(model: Any) -> int:
    return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)


@pytest.mark.parametrize(
    ("method", "block", "field"),
    [
        (Method.LORA, {"lora": {"targetModules": ["q_proj", "wrong"]}}, None),
        (Method.LORA, {"lora": {"targetModules": ["query"]}}, "spec.lora.targetModules"),
        (Method.IA3, {"ia3": {"targetModules": ["query"]}}, "spec.ia3.targetModules"),
    ],
)
def test_unknown_modules_are_refused_with_the_known_ones(
    method: Method, block: dict[str, Any], field: str | None, folder_of: Callable[[str], Path]
) -> None:
    run = settings(method, **block)
    base = load(folder_of("Llama-2-7B"), run)
    if field is None:  # one of them exists
        METHODS[method].wrap(base, run, "CAUSAL_LM")
        return
    with pytest.raises(TrainerError, match="q_proj") as refusal:
        METHODS[method].wrap(base, run, "CAUSAL_LM")
    assert refusal.value.field == field


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_learned_prefix_takes_room_of_the_context(architecture: str, folder_of: Callable[[str], Path]) -> None:
    run = settings(Method.PREFIX_TUNING, prefixTuning={"virtualTokens": 10}, training={"maxLength": 60})
    base = load(folder_of(architecture), run)
    length = context_length(base, run)
    assert length == 54
    model = METHODS[Method.PREFIX_TUNING].wrap(base, run, "CAUSAL_LM")
    assert model(input_ids=torch.full((1, length), 5)).logits.shape[1] == length
    whole = settings(Method.PREFIX_TUNING, prefixTuning={"virtualTokens": 64})
    with pytest.raises(TrainerError, match="as long as the model's context") as refusal:
        context_length(base, whole)
    assert refusal.value.field == "spec.prefixTuning.virtualTokens"


def test_ia3_scales_what_is_asked_for(folder_of: Callable[[str], Path]) -> None:
    usual = settings(Method.IA3)
    model = METHODS[Method.IA3].wrap(load(folder_of("Llama-2-7B"), usual), usual, "CAUSAL_LM")
    assert trained(model) == 2 * (32 + 32 + 64)  # keys, values, what goes into down_proj
    assert model.base_model.model.model.layers[0].mlp.down_proj.is_feedforward
    named = settings(Method.IA3, ia3={"targetModules": ["q_proj", "up_proj"], "feedforwardModules": ["up_proj"]})
    model = METHODS[Method.IA3].wrap(load(folder_of("Llama-2-7B"), named), named, "CAUSAL_LM")
    assert trained(model) == 2 * (32 + 32)
    layer = model.base_model.model.model.layers[0]
    assert layer.mlp.up_proj.is_feedforward and not layer.self_attn.q_proj.is_feedforward


def test_ia3_scales_what_goes_into_the_feed_forward_output_where_only_targets_are_named(
    folder_of: Callable[[str], Path],
) -> None:
    named = settings(Method.IA3, ia3={"targetModules": ["v_proj", "down_proj"]})
    model = METHODS[Method.IA3].wrap(load(folder_of("Llama-2-7B"), named), named, "CAUSAL_LM")
    layer = model.base_model.model.model.layers[0]
    assert layer.mlp.down_proj.is_feedforward and not layer.self_attn.v_proj.is_feedforward
    assert trained(model) == 2 * (32 + 64)


@pytest.mark.parametrize(("placement", "networks"), [("Pfeiffer", 1), ("Houlsby", 2)])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_bottleneck_is_the_identity_at_first_and_of_the_size_it_says(
    architecture: str, placement: str, networks: int, folder_of: Callable[[str], Path]
) -> None:
    run = settings(Method.ADAPTER, adapter={"hiddenSize": 8, "dropout": 0.2, "placement": placement})
    base = load(folder_of(architecture), run)
    untuned = logits(base)
    model = METHODS[Method.ADAPTER].wrap(base, run, "CAUSAL_LM")
    assert torch.equal(logits(model), untuned)
    assert trained(model) == 2 * networks * (2 * 32 * 8 + 32 + 8)


def test_bottleneck_by_hand() -> None:
    """y = (3, -1); down = (1, 1) -> 2; 0.5 of it goes up to both places: (4, 0). Dropout only while training."""
    from banktuner_trainer.methods.bottleneck import BottleneckConfig

    layer = torch.nn.Linear(2, 2, bias=False)
    network = Bottleneck(layer, BottleneckConfig(1, 0.9, "Pfeiffer", ["x"], "CAUSAL_LM"))
    with torch.no_grad():
        layer.weight.copy_(torch.eye(2))
        network.down.weight.fill_(1.0)
        network.up.weight.fill_(0.5)
    assert network.eval()(torch.tensor([3.0, -1.0])).tolist() == [4.0, 0.0]
    assert network(torch.tensor([-3.0, 1.0])).tolist() == [-3.0, 1.0]  # relu(-2) = 0
    torch.manual_seed(0)
    many = network.train()(torch.tensor([3.0, -1.0]).expand(1000, 2))
    assert 0.05 < float((many != torch.tensor([3.0, -1.0])).float().mean()) < 0.15
    half = network.eval()(torch.tensor([3.0, -1.0], dtype=torch.float32)).to(torch.bfloat16)
    layer.to(torch.bfloat16)
    assert torch.equal(network(torch.tensor([3.0, -1.0], dtype=torch.bfloat16)), half)


def test_bottleneck_of_another_model_is_refused(folder_of: Callable[[str], Path], tmp_path: Path) -> None:
    run, tuning = settings(Method.ADAPTER), METHODS[Method.ADAPTER]
    model = tuning.wrap(load(folder_of("Llama-2-7B"), run), run, "CAUSAL_LM")
    tuning.save(model, tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (config["peft_type"], config["hidden_size"], config["placement"]) == ("BOTTLENECK", 16, "Pfeiffer")
    assert tuning.load is not None
    with pytest.raises(ValueError, match="does not belong to this model"):
        tuning.load(load(folder_of("GPT-2"), run), tmp_path)

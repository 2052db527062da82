# ruff: noqa: E402
"""Each task with each method: real training steps on small models, exported, reloaded, compared."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig

from banktuner_api.finetunejob_methods import Method, Quantization
from banktuner_api.finetunejob_status import ServedAs
from banktuner_api.run_config import RunConfig
from banktuner_trainer import publishing
from banktuner_trainer.attention import within_documents
from banktuner_trainer.data.encode import encode_conversations
from banktuner_trainer.data.load import load_conversations
from banktuner_trainer.device import Device, choose_device
from banktuner_trainer.evaluate.perplexity import measure
from banktuner_trainer.export.folder import export
from banktuner_trainer.methods import METHODS, qlora
from banktuner_trainer.models import load_causal, load_tokenizer
from banktuner_trainer.reporting import Reporter
from banktuner_trainer.settings import paths_from
from banktuner_trainer.tasks import TASKS, causal
from banktuner_trainer.tasks.base import Context, Outcome, training_metrics
from banktuner_trainer.tracking.record import loss_curve
from tests.trainer.conftest import answers
from tests.trainer.harness import Pod, run_config, write_jsonl

BASE_URI = "s3://bank/models/base"
ADAPTER_FILES = {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "tokenizer_config.json"}


@dataclass
class Trained:
    """A finished task and its exported folder."""

    run: RunConfig
    outcome: Outcome
    folder: Path

    def metric(self, name: str) -> float:
        return next(float(one.value) for one in self.outcome.metrics if one.name == name)

    def baseline(self, name: str) -> float:
        return next(float(one.baseline or "nan") for one in self.outcome.metrics if one.name == name)


def reporter() -> Reporter:
    """One that reports to nobody; its thread is not started."""
    return Reporter(lambda report: None, attempt=1)


def train(pod: Pod, run: RunConfig, rows: Path, test: Path | None, model: Path | None) -> Trained:
    pod.stage(run, rows, test, model)
    paths = paths_from(pod.environment())
    staged = publishing.read_staged(paths.control)
    device = choose_device(run.training.precision, run.limits.gpus)
    outcome = TASKS[run.task](Context(run, staged, paths, device, reporter()))
    export(run, paths, outcome.model, outcome.tokenizer)
    return Trained(run, outcome, pod.output)


def settings(method: str, **changes: Any) -> dict[str, Any]:
    if method != "Full":
        changes["lora"] = {"rank": 8, "alpha": 16, "dropout": 0.0}
    if method == "QLoRA":
        changes.setdefault("quantization", {"computeType": "float32"})
    return changes


def causal_logits(model: Any, tokenizer: Any) -> Any:
    ids = tokenizer("<s>### Instruction:\nWhat is the fee?", add_special_tokens=False, return_tensors="pt")
    model.eval()
    with torch.inference_mode():
        return model(input_ids=ids["input_ids"]).logits


def reload(trained: Trained, auto: Any, base: Path, **options: Any) -> Any:
    if trained.run.method == "Full":
        return auto.from_pretrained(trained.folder, dtype=torch.float32)
    from peft import PeftModel

    config = qlora.quantization(trained.run) if trained.run.method == "QLoRA" else None
    loaded = auto.from_pretrained(base, dtype=torch.float32, quantization_config=config, **options)
    qlora.keep_differentiable(loaded)
    return PeftModel.from_pretrained(loaded, trained.folder)


@pytest.mark.parametrize("method", ["LoRA", "QLoRA", "Full"])
def test_instruction(pod: Pod, method: str, base_model: Path, train_file: Path, test_file: Path) -> None:
    trained = train(pod, run_config("Instruction", method, **settings(method)), train_file, test_file, base_model)
    assert trained.metric("perplexity") < 0.8 * trained.baseline("perplexity")
    assert trained.metric("eval_loss") < trained.baseline("eval_loss")
    again = reload(trained, AutoModelForCausalLM, base_model)
    tokenizer = AutoTokenizer.from_pretrained(trained.folder)
    before = causal_logits(trained.outcome.model, trained.outcome.tokenizer)
    torch.testing.assert_close(causal_logits(again, tokenizer), before, rtol=1e-4, atol=1e-4)
    plain = AutoModelForCausalLM.from_pretrained(base_model, dtype=torch.float32)
    assert not torch.allclose(causal_logits(plain, tokenizer), before, atol=1e-2)
    if method == "Full":
        assert trained.outcome.served_as is ServedAs.MERGED
        assert trained.metric("trainable_ratio") == 1
    else:
        assert trained.outcome.served_as is ServedAs.ADAPTER
        assert trained.metric("trainable_ratio") < 0.3
        assert {path.name for path in trained.folder.iterdir()} == ADAPTER_FILES
        config = json.loads((trained.folder / "adapter_config.json").read_text())
        assert config["base_model_name_or_path"] == BASE_URI
        assert str(pod.root) not in (trained.folder / "adapter_config.json").read_text()


@pytest.mark.parametrize("kind", ["nf4", "fp4"])
@pytest.mark.parametrize("double", [True, False])
def test_qlora_holds_the_base_in_four_bits_as_asked(kind: str, double: bool, base_model: Path) -> None:
    wanted = Quantization(type=kind, double_quant=double, compute_type="bfloat16")
    run = run_config("Instruction", "QLoRA", quantization=wanted.to_json())
    config = qlora.quantization(run)
    assert (config.bnb_4bit_quant_type, config.bnb_4bit_use_double_quant) == (kind, double)
    assert config.bnb_4bit_compute_dtype is torch.bfloat16
    model = AutoModelForCausalLM.from_pretrained(base_model, dtype=torch.float32, quantization_config=config)
    weight = model.model.layers[0].self_attn.q_proj.weight
    assert weight.dtype is torch.uint8
    assert (weight.quant_state.quant_type, weight.quant_state.nested) == (kind, double)
    assert model.lm_head.weight.dtype is torch.float32


def test_qlora_gradients_reach_every_layer_after_an_evaluation(base_model: Path) -> None:
    run = run_config("Instruction", "QLoRA", lora={"rank": 4, "dropout": 0.0})
    config = qlora.quantization(run)
    plain = AutoModelForCausalLM.from_pretrained(base_model, dtype=torch.float32, quantization_config=config)
    model = qlora.wrap(plain, run, "CAUSAL_LM")
    ids = torch.arange(16).reshape(2, 8)

    def gradients() -> list[Any]:
        model.train()
        model.zero_grad()
        model(input_ids=ids, labels=ids).loss.backward()
        return [weight.grad.clone() for weight in model.parameters() if weight.requires_grad]

    before = gradients()
    model.eval()
    with torch.inference_mode():
        model(input_ids=ids)
    for first, second in zip(before, gradients(), strict=True):
        torch.testing.assert_close(first, second)
    assert any(bool(gradient.abs().max() > 0) for gradient in before[: len(before) // 2])


def test_qlora_in_bfloat16_learns(pod: Pod, base_model: Path, train_file: Path, test_file: Path) -> None:
    changes = settings("QLoRA", quantization={"type": "fp4", "doubleQuant": False, "computeType": "bfloat16"})
    run = run_config("Instruction", "QLoRA", **changes, training={"precision": "BF16", "gradientCheckpointing": True})
    trained = train(pod, run, train_file, test_file, base_model)
    assert trained.metric("perplexity") < 0.8 * trained.baseline("perplexity")


def test_packed_loss_is_the_loss_of_the_rows_alone(pod: Pod, base_model: Path, train_file: Path) -> None:
    run = run_config("Instruction", "Full", training={"packing": True, "batchSize": 8})
    pod.stage(run, train_file, None, base_model)
    paths = paths_from(pod.environment())
    context = Context(run, publishing.read_staged(paths.control), paths, choose_device("FP32", gpus=0), reporter())
    tokenizer = load_tokenizer(base_model)
    model = AutoModelForCausalLM.from_pretrained(base_model, dtype=torch.float32)
    conversations = load_conversations(run, context.staged).train[:14]
    rows = encode_conversations(tokenizer, conversations, 128)
    trainer = causal.build(context, model, tokenizer, rows)
    [batch] = list(trainer.get_train_dataloader())
    assert batch["input_ids"].shape == (1, sum(len(row.input_ids) for row in rows))
    with torch.inference_mode(), within_documents(model):
        packed = float(trainer.compute_loss(model.eval(), batch))
    assert packed == pytest.approx(measure(model, rows, tokenizer.pad_token_id).loss, rel=1e-4)


@pytest.mark.parametrize("family", ["Llama", "GPT2"])
@pytest.mark.parametrize("form", ["Text", "Alpaca"])
def test_pretraining(pod: Pod, family: str, form: str, tmp_path: Path) -> None:
    # No two rows are equal: equal ones are held out together, and nothing like them would be trained on.
    rows = [row | {"input": f"Customer {number}"} for number, row in enumerate(answers(240))]
    if form == "Text":
        rows = [{"text": f"{row['instruction']} {row['input']} {row['output']}"} for row in rows]
    path = write_jsonl(tmp_path / "rows.jsonl", rows)
    architecture = {
        "family": family,
        "hiddenSize": 32,
        "layers": 2,
        "heads": 2,
        "vocabularySize": 320,
        "contextLength": 64,
    }
    data = {"train": {"uri": "s3://bank/t.jsonl"}, "format": form, "validationPercent": 10}
    run = run_config("Pretraining", "Full", architecture=architecture, dataset=data, training={"learningRate": 0.01})
    trained = train(pod, run, path, None, None)
    assert trained.metric("perplexity") < 20  # a model that knows nothing: the vocabulary, 320
    again = AutoModelForCausalLM.from_pretrained(trained.folder)
    tokenizer = AutoTokenizer.from_pretrained(trained.folder)
    before = causal_logits(trained.outcome.model, trained.outcome.tokenizer)
    torch.testing.assert_close(causal_logits(again, tokenizer), before, rtol=1e-4, atol=1e-4)
    config = again.config
    assert (config.bos_token_id, config.eos_token_id, config.pad_token_id) == (0, 1, 2)
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (0, 1, 2)


@pytest.mark.parametrize("capable", [True, False])
def test_auto_uses_bfloat16_where_the_cpu_computes_in_it(capable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": capable})
    device = choose_device("Auto", gpus=0)
    assert (device.bf16, device.fp16) == (capable, False)
    assert device.load_dtype is (torch.bfloat16 if capable else torch.float32)
    assert choose_device("FP32", gpus=0).load_dtype is torch.float32
    assert choose_device("BF16", gpus=0).bf16


def test_the_same_seed_gives_the_same_weights(tmp_path: Path, base_model: Path, train_file: Path) -> None:
    outputs = []
    for name in ("first", "second"):
        run = run_config("Instruction", "LoRA", **settings("LoRA"), training={"maxSteps": 5, "epochs": None})
        trained = train(Pod(tmp_path / name), run, train_file, None, base_model)
        outputs.append((trained.folder / "adapter_model.safetensors").read_bytes())
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize(
    ("scheduler", "warmup", "expected"),
    [
        ("Linear", 0.0, [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]),
        ("Linear", 0.2, [0, 0.5, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]),
        ("Cosine", 0.0, [1, 0.9755, 0.9045, 0.7939, 0.6545, 0.5, 0.3455, 0.2061, 0.0955, 0.0245]),
        ("Cosine", 4.0, [0, 0.25, 0.5, 0.75, 1, 0.9330, 0.75, 0.5, 0.25, 0.0670]),
        ("Constant", 4.0, [0, 0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1]),
    ],
)
def test_the_learning_rate_follows_its_schedule(
    scheduler: str, warmup: float, expected: list[float], tmp_path: Path, base_model: Path, train_file: Path
) -> None:
    """Ten steps; a warm-up below 1 is a share of them."""
    loop = {"maxSteps": 10, "epochs": None, "learningRate": 0.01, "scheduler": scheduler, "warmupSteps": warmup}
    run = run_config("Instruction", "LoRA", training=loop, evaluation={"suites": []}, **settings("LoRA"))
    train(Pod(tmp_path), run, train_file, None, base_model)
    rates = [point.learning_rate for point in loss_curve(tmp_path / "work" / "tracking")]
    assert rates == pytest.approx([0.01 * share for share in expected], abs=1e-6)


def test_four_bit_weights_count_as_what_they_stand_for(tmp_path: Path) -> None:
    # Embedding and head: 2 * 96 * 32 = 6,144. A layer: attention 4 * 32 * 32, feed-forward part 3 * 32 * 64, norms
    # 2 * 32: 10,304; two: 20,608. Last norm 32. LoRA of rank 4 at two matrices a layer: 2 * 2 * 4 * (32 + 32) = 1,024.
    torch.manual_seed(3)
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    AutoModelForCausalLM.from_config(LlamaConfig(vocab_size=96, **size)).save_pretrained(tmp_path)
    lora = {"rank": 4, "targetModules": ["q_proj", "v_proj"]}
    run = run_config("Instruction", "QLoRA", lora=lora, quantization={"computeType": "float32"})
    base = load_causal(tmp_path, run, Device(cuda=False, bf16=False, fp16=False), vocabulary=96)
    model = METHODS[Method.QLORA].wrap(base, run, "CAUSAL_LM")
    told = {one.name: float(one.value) for one in training_metrics(model, 0.5, 1.0)}
    assert told["trainable_parameters"] == 1024
    assert told["trainable_ratio"] == pytest.approx(1024 / (6144 + 20608 + 32 + 1024), rel=1e-5)

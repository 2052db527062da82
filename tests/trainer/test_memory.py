# ruff: noqa: E402
"""The estimate of a run's memory: near what is measured, in time, and with advice that holds."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import yaml

torch = pytest.importorskip("torch")

from transformers import BertConfig, GPT2Config, LlamaConfig, MistralConfig, Phi3Config

from banktuner_api.exit_codes import ExitCode
from banktuner_api.finetunejob_spec import Task
from banktuner_api.run_config import RunConfig
from banktuner_trainer.device import Device
from banktuner_trainer.errors import TrainerError
from banktuner_trainer.memory import check
from banktuner_trainer.memory.estimate import GIB, Batch, estimate, largest_batch
from banktuner_trainer.memory.size import model_size
from banktuner_trainer.methods import METHODS
from bench.trainer.jobs import configured
from tests.trainer.harness import ROOT, Pod, run_config
from tests.trainer.measure_memory import LAYERS, TIMES, chosen

TOLERANCE = 0.3
CPU = Device(cuda=False, bf16=False, fp16=False)
LLAMA_2 = LlamaConfig(max_position_embeddings=4096)
LLAMA_3 = LlamaConfig(vocab_size=128256, intermediate_size=14336, num_key_value_heads=8, max_position_embeddings=8192)
TINY_LLAMA = LlamaConfig(hidden_size=2048, intermediate_size=5632, num_hidden_layers=22, num_key_value_heads=4)
QV = {"lora": {"rank": 8, "targetModules": ["q_proj", "v_proj"]}}


@pytest.fixture(scope="module", params=["", "QLoRA"])
def measured(request: pytest.FixtureRequest) -> tuple[bool, list[dict[str, Any]]]:
    """Whether of four bits, and the lines: processes of the one kind have a library that the others do not."""
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        # Where glibc's own thresholds end, once blocks that large were freed: when they get there differs by run.
        "MALLOC_ARENA_MAX": "1",
        # Layers of 7B models are larger than that when they are unpacked from four bits, so they leave no holes in the
        # heap; 4 MB do the same for the layers here.
        "MALLOC_MMAP_THRESHOLD_": str((4 if request.param else 32) * 1024**2),
        "MALLOC_TRIM_THRESHOLD_": str(64 * 1024**2),
        "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT / 'trainer_image'}:{ROOT}",
    }
    command = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("measure_memory.py")), request.param]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr[-2000:]
    return bool(request.param), [json.loads(line) for line in run.stdout.splitlines() if line.startswith('{"')]


def test_estimate_is_near_the_measured_peak(measured: tuple[bool, list[dict[str, Any]]]) -> None:
    """Within 30 % of the median of what was measured, for weights, optimiser, activations and scores together."""
    four_bits, [libraries, *lines] = measured
    runs = [line for line in lines if "case" in line]
    cases = {run["case"]: run["expected"] for run in runs}
    assert sorted(run["case"] for run in runs) == sorted(chosen(four_bits) * TIMES)
    assert near(check.LIBRARIES_BYTES, libraries["libraries"])
    needed = {case: median(run["needed"] for run in runs if run["case"] == case) for case in cases}
    wrong = [case for case, expected in cases.items() if not near(expected, needed[case])]
    assert not wrong, runs


def test_a_layer_of_four_bits_is_near_what_it_takes(measured: tuple[bool, list[dict[str, Any]]]) -> None:
    """Packed when it is loaded, unpacked when it computes: of a large model's layer this is hundreds of megabytes."""
    four_bits, lines = measured
    layers = [line for line in lines if "layer" in line]
    assert [line["layer"] for line in layers] == ([list(layer) for layer in LAYERS] if four_bits else [])
    wrong = [line for line in layers if not all(near(line["expected"][part], line["needed"][part]) for part in PARTS)]
    assert not wrong


PARTS = ("packing", "unpacked")


def near(expected: float, needed: float) -> bool:
    return abs(expected / needed - 1) <= TOLERANCE


def folder_of(config: Any, tmp_path: Path) -> Path:
    config.save_pretrained(tmp_path)
    return tmp_path


TEMPLATES = ROOT / "examples" / "templates"
MODELS: dict[str, Any] = {
    "TinyLlama": TINY_LLAMA,
    "Llama-2-7b": LLAMA_2,
    "Meta-Llama-3-8B": LLAMA_3,
    "Mistral-7B": MistralConfig(),
    "Phi-3-mini": Phi3Config(sliding_window=2047),
}
PROMISED = re.findall(
    r"\]\((.+?\.yaml)\).*\| GPU of (\d+) GB \|", (TEMPLATES / "README.md").read_text(encoding="utf-8")
)


def test_every_template_with_a_gpu_is_promised_one() -> None:
    with_gpu = {path for path in TEMPLATES.rglob("*.yaml") if "gpus: " in path.read_text(encoding="utf-8")}
    assert {TEMPLATES / name for name, _ in PROMISED} == with_gpu


@pytest.mark.parametrize(("name", "gigabytes"), PROMISED)
def test_templates_fit_the_gpus_that_they_name(name: str, gigabytes: str, tmp_path: Path) -> None:
    """With rows as long as maxLength, on a GPU of so many GB that are a few percent fewer GiB."""
    spec = yaml.safe_load((TEMPLATES / name).read_text(encoding="utf-8"))["spec"]
    run = configured(spec)
    [config] = [config for model, config in MODELS.items() if model.lower() in spec["model"]["uri"].lower()]
    size = model_size(run, folder_of(config, tmp_path), Device(cuda=True, bf16=True, fp16=False))
    packs = run.training.packing and METHODS[run.method].packs
    batch = largest_batch(run, [run.training.max_length] * 1000, 4096, packs)
    needed = estimate(size, batch, check.CUDA_CONTEXT_BYTES, cuda=True).total
    assert int(gigabytes) / 5 < needed / 1e9 < int(gigabytes)


@pytest.mark.parametrize(("double", "bytes_a_weight"), [(True, 0.516), (False, 0.5625)])
def test_four_bits_take_a_quarter_of_sixteen(double: bool, bytes_a_weight: float, tmp_path: Path) -> None:
    device = Device(cuda=True, bf16=True, fp16=False)
    sizes = {}
    for method in ("LoRA", "QLoRA"):
        run = run_config("Instruction", method, **QV, quantization={"doubleQuant": double})
        sizes[method] = model_size(run, folder_of(LLAMA_2, tmp_path), device)
    assert sizes["LoRA"].parameters == 6_738_415_616 + 4_194_304
    assert sizes["LoRA"].trained == sizes["QLoRA"].trained == 4_194_304
    assert sizes["LoRA"].frozen_bytes == 2 * 6_738_415_616
    linear = 32 * (4 * 4096 * 4096 + 3 * 4096 * 11008)
    quantised = sizes["LoRA"].frozen_bytes - 2 * linear + linear * bytes_a_weight
    assert sizes["QLoRA"].frozen_bytes == pytest.approx(quantised, rel=0.001)


@pytest.mark.parametrize(
    ("computes", "unpacked", "kind", "packing"), [("bfloat16", 2, "nf4", 14), ("float32", 6, "fp4", 28)]
)
def test_one_layer_of_four_bits_is_unpacked_at_a_time(
    computes: str, unpacked: int, kind: str, packing: int, tmp_path: Path
) -> None:
    """Llama-2-7B's largest layer in bfloat16; only CPUs need much more while they pack it."""
    largest = 4096 * 11008
    run = run_config("Instruction", "QLoRA", quantization={"type": kind, "computeType": computes})
    folder, nothing = folder_of(LLAMA_2, tmp_path), Batch(rows=1, tokens=1, checkpointing=False)
    on_cpu, on_gpu = (model_size(run, folder, Device(cuda=cuda, bf16=True, fp16=False)) for cuda in (False, True))
    assert on_cpu.unpacked_bytes == on_gpu.unpacked_bytes == largest * unpacked
    assert (on_cpu.packing_bytes, on_gpu.packing_bytes) == (largest * packing, 0)
    assert estimate(on_cpu, nothing, 0, cuda=False).passing == largest * packing
    assert 0 < estimate(on_gpu, nothing, 0, cuda=True).passing - largest * unpacked < 0.02 * GIB


def test_layers_of_gpt2_are_held_in_four_bits_too(tmp_path: Path) -> None:
    run = run_config("Instruction", "QLoRA")
    size = model_size(run, folder_of(GPT2Config(), tmp_path), CPU)
    linear = 12 * 12 * 768**2
    assert size.frozen_bytes == pytest.approx(4 * (size.parameters - size.trained - linear) + 0.516 * linear, rel=0.001)


def test_answers_need_room_for_their_keys_and_values(tmp_path: Path) -> None:
    """Llama-2-7B in 16 bit: 8,192 tokens, 32 layers, keys and values of 4,096 numbers: 4 GiB. Llama-3: a quarter."""
    device = Device(cuda=True, bf16=True, fp16=False)
    short = {"batchSize": 1, "maxLength": 64}
    for config, cached in ((LLAMA_2, 4.0), (LLAMA_3, 1.0)):
        needed = []
        for suites in (["Perplexity"], ["Perplexity", "Generation"]):
            run = run_config("Instruction", "QLoRA", **QV, training=short, evaluation={"suites": suites})
            size = model_size(run, folder_of(config, tmp_path), device)
            needed.append(estimate(size, largest_batch(run, [16], 0, packs=False), 0, cuda=True).passing / GIB)
        assert needed[0] < 0.5 < needed[1]
        assert needed[1] == pytest.approx(cached)


SMALL = LlamaConfig(vocab_size=8000, hidden_size=256, intermediate_size=768, num_hidden_layers=6, num_attention_heads=8)


def refused(run: RunConfig, folder: Path, tokens: int) -> str:
    with pytest.raises(TrainerError) as refusal:
        check.check_rows(run, folder, CPU, [tokens] * 64, [])
    assert refusal.value.code is ExitCode.OUT_OF_MEMORY
    assert refusal.value.reason == "OutOfMemory"
    return refusal.value.message


def with_limit(mebibytes: int, method: str = "LoRA", **training: Any) -> RunConfig:
    settings = {"batchSize": 64, "maxLength": 512} | training
    return run_config("Instruction", method, training=settings, limits={"memoryBytes": mebibytes * 1024**2})


def test_advice_holds(tmp_path: Path) -> None:
    """Whoever does what is advised passes, and with one power of two more is refused again."""
    folder = folder_of(SMALL, tmp_path)
    said = refused(with_limit(2048), folder, 256)
    assert "the limit is 2Gi" in said
    rows = int(re.findall(r"spec.training.batchSize 64 -> (\d+) with gradientAccumulationSteps 1 -> \d+", said)[0])
    assert check.check_rows(with_limit(2048, batchSize=rows), folder, CPU, [256] * 64, []) is not None
    refused(with_limit(2048, batchSize=2 * rows), folder, 256)
    size = int(re.findall(r"spec.resources.memory 2Gi -> (\d+)Gi", said)[0])
    assert check.check_rows(with_limit(size * 1024), folder, CPU, [256] * 64, []) is not None


def test_rows_shorter_than_the_limit_are_not_refused(tmp_path: Path) -> None:
    folder = folder_of(SMALL, tmp_path)
    refused(with_limit(2048), folder, 512)
    assert check.check_rows(with_limit(2048), folder, CPU, [16] * 64, []) is not None


@pytest.mark.parametrize(
    ("task", "lengths", "packs", "rows", "tokens"),
    [
        ("Instruction", [20, 30] * 100, False, 64, 30),
        ("Instruction", [20, 30], False, 2, 30),
        ("Instruction", [20, 30] * 100, True, 10, 512),  # 5,000 tokens
        ("Classification", [20, 30] * 100, False, 64, 30),
    ],
)
def test_the_largest_step_is_that_of_the_rows_there_are(
    task: str, lengths: list[int], packs: bool, rows: int, tokens: int
) -> None:
    run = with_limit(1024).model_copy(update={"task": Task(task)})
    batch = largest_batch(run, lengths, 100_000, packs)
    assert (batch.rows, batch.tokens, batch.evaluated) == (rows, tokens, 4096)


def test_weights_that_cannot_fit_are_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    folder = folder_of(LLAMA_2, tmp_path)  # config.json only
    with pytest.raises(TrainerError, match=r"expected to need \d+\.\d+ GiB") as refusal:
        check.check_weights(with_limit(16 * 1024, "Full"), folder, CPU)
    assert "spec.resources.memory 16Gi -> 1" in refusal.value.message
    assert refusal.value.code is ExitCode.OUT_OF_MEMORY
    check.check_weights(with_limit(160 * 1024, "Full"), folder, CPU)


def test_a_smaller_method_is_advised_where_it_would_fit(tmp_path: Path) -> None:
    folder = folder_of(TINY_LLAMA, tmp_path)
    with pytest.raises(TrainerError, match=r"spec\.method Full -> LoRA"):
        check.check_weights(with_limit(8 * 1024, "Full"), folder, CPU)


@pytest.mark.parametrize(("method", "formats"), [("LoRA", ["Adapter", "GGUF"]), ("IA3", [])])
def test_a_merge_that_cannot_fit_is_refused_before_the_training(
    method: str, formats: list[str], tmp_path: Path
) -> None:
    folder = folder_of(TINY_LLAMA, tmp_path)  # 1.1 billion weights: 4.1 GiB in 32 bit, 2.05 GiB in 16
    tight, roomy = (with_limit(size, method).model_copy(update={"formats": formats}) for size in (6000, 8000))
    with pytest.raises(TrainerError, match=r"the merged model is expected to need [78]\.\d+ GiB") as refusal:
        check.check_weights(tight, folder, CPU)
    assert refusal.value.field == "spec.resources.memory"
    assert ("spec.output.formats" in refusal.value.message) == (method == "LoRA")
    check.check_weights(roomy, folder, CPU)
    check.check_weights(with_limit(6000, "LoRA"), folder, CPU)


def test_an_unknown_limit_refuses_nothing(tmp_path: Path) -> None:
    folder = folder_of(LLAMA_2, tmp_path)
    with pytest.raises(TrainerError):
        check.check_weights(with_limit(1, "Full"), folder, CPU)
    check.check_weights(with_limit(0, "Full"), folder, CPU)
    assert check.check_rows(with_limit(0, "Full"), folder, CPU, [100], []) is None


def test_an_encoder_is_counted(tmp_path: Path) -> None:
    config = BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
    run = run_config("Classification", "LoRA", limits={"memoryBytes": GIB})
    size = model_size(run, folder_of(config, tmp_path), CPU)
    assert (size.layers, size.hidden, size.vocabulary) == (6, 384, 0)
    assert size.trained == 6 * (5 * 2 * 16 * 384 + 16 * (2 * (384 + 1536) - 384) - 16 * 384) + 16 * 2 * 384


def test_an_encoder_is_held_in_float32_and_computes_with_copies(tmp_path: Path) -> None:
    """A decoder that classifies is held in what it computes in."""
    bf16 = Device(cuda=False, bf16=True, fp16=False)
    run = run_config("Classification", "LoRA")
    config = BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
    half, full = (model_size(run, folder_of(config, tmp_path), device) for device in (bf16, CPU))
    assert half.frozen_bytes == full.frozen_bytes == 4 * (full.parameters - full.trained)
    pooler = 384 * 384
    assert (half.copied_bytes, full.copied_bytes) == (2 * (6 * 12 * 384**2 + pooler), 0)
    decoder = model_size(run, folder_of(SMALL, tmp_path), bf16)
    assert (decoder.frozen_bytes, decoder.copied_bytes) == (2 * (decoder.parameters - decoder.trained), 0)


def test_a_real_failure_says_the_same() -> None:
    run = with_limit(4096)
    with pytest.raises(TrainerError) as refusal, check.explained(run):
        torch.empty(1 << 60)
    assert refusal.value.code is ExitCode.OUT_OF_MEMORY
    assert "spec.training.batchSize 64 -> 32 with gradientAccumulationSteps 1 -> 2" in refusal.value.message
    assert "spec.resources.memory 4Gi -> 6Gi" in refusal.value.message
    with pytest.raises(ZeroDivisionError), check.explained(run):
        _ = 1 // 0


def test_the_process_ends_before_training(tmp_path: Path) -> None:
    """As a pod would: exit code and termination message name what to change."""
    pod = Pod(tmp_path)
    run = with_limit(16 * 1024, "Full")
    (pod.root / "model").mkdir(parents=True)
    LLAMA_2.save_pretrained(pod.root / "model")
    rows = pod.root / "train.jsonl"
    rows.write_text('{"instruction": "a", "output": "b"}\n' * 20)
    pod.stage(run, rows, model=pod.root / "model")
    process = pod.start()
    output, _ = process.communicate(timeout=300)
    assert process.returncode == ExitCode.OUT_OF_MEMORY, output[-2000:]
    said = pod.termination()
    assert said["reason"] == "OutOfMemory"
    assert "spec.resources.memory 16Gi -> 1" in said["message"]

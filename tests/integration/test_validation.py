"""What the API server itself refuses: each refusal names the field."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from banktuner_operator.cluster.client import ApiError
from tests.integration.kubelet import DIGEST, Cluster, job_spec, model_spec

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TEMPLATES = sorted(path for folder in ("templates", "methods") for path in (EXAMPLES / folder).rglob("*.yaml"))
ADAPTER = {"name": "wealth", "uri": "s3://bank/wealth", "digest": DIGEST}
INSTRUCTION = {"task": "Instruction"}
FROM_SCRATCH = {"task": "Pretraining", "model": {"architecture": {}}}
S3 = {"uri": "s3://bank/artifacts"}

REFUSED_JOBS: list[tuple[dict[str, Any], str]] = [
    ({"pods": 2}, 'unknown field "spec.pods"'),
    ({"nodes": 0}, "spec.nodes"),
    ({"training": {"learningrate": 1}}, 'unknown field "spec.training.learningrate"'),
    ({"training": {"learningRate": "0.1"}}, "spec.training.learningRate"),
    ({"method": "DoRA"}, "spec.method"),
    ({"task": "Chat"}, "spec.task"),
    ({"dataset": {"uri": ""}}, "spec.dataset.uri"),
    ({"dataset": {}}, "spec.dataset.uri"),
    ({"dataset": {"uri": "http://example.com/x"}}, "spec.dataset.uri"),
    ({"dataset": {"uri": "s3://user:pass@bank/x"}}, "spec.dataset.uri"),
    ({"dataset": {"uri": "s3://bank/../x"}}, "uri must not contain '..'"),
    ({"dataset": {"uri": "s3://bank/x", "testUri": "s3://bank/y", "validationPercent": 5}}, "testUri and validation"),
    ({"model": {}}, "exactly one of uri, fineTuneJob and architecture"),
    ({"model": {"uri": "s3://bank/m", "fineTuneJob": {"name": "x"}}}, "exactly one of uri, fineTuneJob"),
    ({"quantization": {"type": "nf4"}}, "quantization goes with method QLoRA only"),
    ({"lora": {"rank": 0}, "method": "LoRA"}, "spec.lora.rank"),
    ({"method": "Full", "lora": {"rank": 8}}, "lora goes with method LoRA or QLoRA only"),
    ({"lora": {"targetModules": ["all-linear", "q_proj"]}}, "targetModules all-linear stands alone"),
    ({"lora": {"targetModules": ["q_proj", "lm_head"]}}, "targetModules must not contain lm_head"),
    ({"ia3": {"targetModules": ["k_proj"]}}, "ia3 goes with method IA3 only"),
    ({"prefixTuning": {"virtualTokens": 20}}, "prefixTuning goes with method PrefixTuning only"),
    ({"method": "PrefixTuning", "prefixTuning": {"virtualTokens": 513}}, "spec.prefixTuning.virtualTokens"),
    ({"adapter": {"hiddenSize": 64}}, "adapter goes with method Adapter only"),
    ({"method": "Adapter", "adapter": {"placement": "Parallel"}}, "spec.adapter.placement"),
    ({"method": "QLoRA", "quantization": {"type": "int8"}}, "spec.quantization.type"),
    ({"method": "PrefixTuning", "training": {"gradientCheckpointing": True}}, "its prefix lives in the cache"),
    (INSTRUCTION | {"method": "PrefixTuning", "training": {"packing": True}}, "its prefix stands before a sequence"),
    (INSTRUCTION | {"method": "Adapter", "output": S3 | {"formats": ["GGUF"]}}, "they cannot be merged"),
    (INSTRUCTION | {"method": "PrefixTuning", "output": S3 | {"formats": ["Merged"]}}, "they cannot be merged"),
    (INSTRUCTION | {"output": S3 | {"formats": ["ONNX"]}}, "output.formats ONNX goes with task Classification only"),
    ({"output": S3 | {"formats": ["GGUF"]}}, "output.formats Merged and GGUF do not go with task Classification"),
    (FROM_SCRATCH | {"method": "LoRA"}, "task Pretraining needs method Full"),
    (FROM_SCRATCH | {"method": "Full", "model": {"architecture": {"hiddenSize": 96, "heads": 32}}}, "an even multiple"),
    ({"training": {"precision": "FP16"}}, "training.precision FP16 needs resources.gpus"),
    (INSTRUCTION | {"dataset": {"uri": "s3://bank/x", "columns": {"text": "q"}}}, "dataset.columns goes with"),
    (
        INSTRUCTION | {"lora": {"targetModules": ["embed_tokens"]}, "output": S3 | {"formats": ["Merged"]}},
        "targetModules that name embeddings",
    ),
    ({"task": "Pretraining"}, "model.architecture goes with task Pretraining"),
    ({"dataset": {"uri": "s3://bank/x", "format": "Alpaca"}}, "dataset.format TextLabel goes with"),
    ({"training": {"epochs": 1, "maxSteps": 1}}, "epochs and maxSteps exclude each other"),
    ({"training": {"packing": True}}, "training.packing does not go with task Classification"),
    ({"resources": {"memory": "lots"}}, "spec.resources.memory"),
    ({"nodes": 2}, "nodes does not go with task Classification"),
    ({"resources": {"gpus": 2}}, "resources.gpus above 1 does not go with task Classification"),
    ({"output": {"uri": "s3://bank/x", "secretRef": {"name": "s3", "namespace": "other"}}}, "secretRef.namespace"),
    ({"evaluation": {"thresholds": [{"metric": "x"}]}}, "exactly one of atLeast and atMost"),
]

REFUSED_MODELS: list[tuple[dict[str, Any], str]] = [
    ({"engine": "SGLang"}, "spec.engine"),
    ({"page": {"enabled": True}}, 'unknown field "spec.page"'),
    ({"model": {}}, "exactly one of uri and fineTuneJob"),
    ({"gateway": {}}, "spec.gateway.auth"),
    ({"adapters": [{"name": "wealth", "uri": "s3://bank/wealth"}]}, "uri and digest go together"),
    ({"adapters": [{"name": "wealth"}]}, "exactly one of uri and fineTuneJob"),
    ({"adapters": [ADAPTER | {"digest": "sha256:1"}]}, "spec.adapters[0].digest"),
    ({"adapters": [ADAPTER, ADAPTER]}, "Duplicate value"),
    ({"adapters": [ADAPTER], "defaultAdapter": "cards"}, "defaultAdapter must be the name of one of the adapters"),
    ({"replicas": -1}, "spec.replicas"),
    ({"lora": {"maxRank": 65}}, "spec.lora.maxRank"),
]


@pytest.mark.parametrize(("change", "words"), REFUSED_JOBS)
async def test_refused_jobs(cluster: Cluster, change: dict[str, Any], words: str) -> None:
    with pytest.raises(ApiError) as refusal:
        await cluster.create("FineTuneJob", "card", job_spec(**change))
    assert words in refusal.value.message
    assert await cluster.client.list("FineTuneJob", cluster.namespace) == []


@pytest.mark.parametrize(("change", "words"), REFUSED_MODELS)
async def test_refused_models(cluster: Cluster, change: dict[str, Any], words: str) -> None:
    with pytest.raises(ApiError) as refusal:
        await cluster.create("BankingModel", "assistant", model_spec(**change))
    assert words in refusal.value.message


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
async def test_job_templates_are_taken(cluster: Cluster, path: Path) -> None:
    template = yaml.safe_load(path.read_text(encoding="utf-8"))
    await cluster.create("FineTuneJob", template["metadata"]["name"], template["spec"] | {"suspend": True})
    [job] = await cluster.client.list("FineTuneJob", cluster.namespace)
    assert job["spec"]["method"] == template["spec"]["method"]


@pytest.mark.parametrize("name", ["a" * 41, "a.b", "1a"])
async def test_refused_names(cluster: Cluster, name: str) -> None:
    with pytest.raises(ApiError) as refusal:
        await cluster.create("FineTuneJob", name, job_spec())
    assert "metadata.name must be an RFC 1035 label of at most 40 characters" in refusal.value.message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": "QLoRA"}, "method is immutable"),
        ({"dataset": {"uri": "s3://bank/other.csv"}}, "dataset is immutable"),
        ({"training": {"seed": 7}}, "training is immutable"),
        ({"resources": {"memory": "2Gi"}}, "resources may change only while the job is suspended"),
        ({"profile": "l4"}, "profile may change only while the job is suspended"),
    ],
)
async def test_refused_changes_of_a_job(cluster: Cluster, change: dict[str, Any], words: str) -> None:
    await cluster.create("FineTuneJob", "card", job_spec())
    with pytest.raises(ApiError) as refusal:
        await cluster.patch("FineTuneJob", "card", {"spec": change})
    assert words in refusal.value.message


async def test_allowed_changes_of_a_job(cluster: Cluster) -> None:
    await cluster.create("FineTuneJob", "card", job_spec(suspend=True))
    await cluster.patch("FineTuneJob", "card", {"spec": {"resources": {"memory": "2Gi"}, "profile": "l4"}})
    change = {"suspend": False, "activeDeadlineSeconds": 60, "ttlSecondsAfterFinished": 60}
    await cluster.patch("FineTuneJob", "card", {"spec": change})


async def test_model_is_immutable(cluster: Cluster) -> None:
    await cluster.create("BankingModel", "assistant", model_spec())
    with pytest.raises(ApiError) as refusal:
        await cluster.patch("BankingModel", "assistant", {"spec": {"model": {"uri": "s3://bank/other"}}})
    assert "model is immutable" in refusal.value.message
    await cluster.patch("BankingModel", "assistant", {"spec": {"adapters": [ADAPTER], "replicas": 2}})

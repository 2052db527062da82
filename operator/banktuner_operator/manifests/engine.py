"""The engine container: launcher arguments and environment of vLLM and TGI, and nothing else of the pod."""

import math
from dataclasses import dataclass

from banktuner_api import names
from banktuner_api.bankingmodel import BankingModelSpec, Engine
from banktuner_api.common import Json
from banktuner_api.serving import DesiredAdapter
from banktuner_operator.manifests import pod, quantity
from banktuner_operator.settings import Profile, Settings

MODEL_PATH = str(names.WORK_DIR / "model")
TGI_PROMETHEUS_PORT = 9000
TGI_MAX_ANSWER = 1024
"""Tokens of maxModelLength that are kept for the answer; a quarter where that is less."""

_DTYPES = {"BF16": "bfloat16", "FP16": "float16", "FP32": "float32"}
_VLLM_QUANTIZATION = {"BitsAndBytes": "bitsandbytes", "FP8": "fp8", "AWQ": "awq", "GPTQ": "gptq"}
_TGI_QUANTIZATION = _VLLM_QUANTIZATION | {"BitsAndBytes": "bitsandbytes-nf4"}
_QUIET_PATHS = ("/health", "/metrics", "/v1/models")
"""Asked every few seconds by probes and by `sync`."""
_COMMON_ENV = {"HOME": "/tmp", "USER": "banktuner", "HF_HOME": "/tmp/huggingface", "HF_HUB_OFFLINE": "1"}


@dataclass(frozen=True)
class EngineSetup:
    """What decides an engine container. `adapters` matter to TGI only: vLLM is told while it runs."""

    name: str
    spec: BankingModelSpec
    engine: Engine
    profile: Profile
    adapters: tuple[DesiredAdapter, ...]


def container(setup: EngineSetup, settings: Settings) -> Json:
    """The engine container."""
    vllm = setup.engine == Engine.VLLM
    overrides = setup.profile.images
    image = (overrides.vllm or settings.images.vllm) if vllm else (overrides.tgi or settings.images.tgi)
    arguments = _vllm_arguments(setup) if vllm else _tgi_arguments(setup)
    environment = _COMMON_ENV | _threads(setup) | (_vllm_env() if vllm else _tgi_env(setup))
    return pod.Container(
        name="engine",
        image=image,
        command=["vllm", "serve"] if vllm else ["text-generation-launcher"],
        args=[*arguments, *setup.profile.engine_args],
        resources=pod.main_resources(setup.spec.resources, setup.profile),
        env=environment | setup.profile.engine_env,
        mounts=[pod.WORK | {"readOnly": True}, pod.SHM],
        extra=_probes(),
    ).build(settings)


def _vllm_arguments(setup: EngineSetup) -> list[str]:
    spec, options = setup.spec, setup.spec.engine_options
    arguments = [
        MODEL_PATH,
        *("--host", "127.0.0.1", "--port", str(names.ENGINE_PORT)),
        *("--served-model-name", setup.name, "--dtype", _DTYPES.get(options.dtype, "auto")),
        *("--disable-access-log-for-endpoints", ",".join(_QUIET_PATHS)),
        *("--enable-lora", "--max-loras", str(spec.lora.max_adapters), "--max-lora-rank", str(spec.lora.max_rank)),
    ]
    if options.max_model_length:
        arguments += ["--max-model-len", str(options.max_model_length)]
    if options.quantization != "None":
        arguments += ["--quantization", _VLLM_QUANTIZATION[options.quantization]]
    if spec.resources.gpus:
        arguments += ["--gpu-memory-utilization", _fraction(options.gpu_memory_percent)]
    if spec.resources.gpus > 1:
        arguments += ["--tensor-parallel-size", str(spec.resources.gpus)]
    return arguments


def _vllm_env() -> dict[str, str]:
    return {
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_CACHE_ROOT": "/tmp/vllm",
    }


def _tgi_arguments(setup: EngineSetup) -> list[str]:
    options, gpus = setup.spec.engine_options, setup.spec.resources.gpus
    arguments = [
        *("--model-id", MODEL_PATH),
        *("--hostname", "127.0.0.1", "--port", str(names.ENGINE_PORT)),
        *("--prometheus-port", str(TGI_PROMETHEUS_PORT), "--shard-uds-path", "/tmp/text-generation-server"),
        "--json-output",
    ]
    if options.max_model_length:
        total = options.max_model_length
        answer = min(TGI_MAX_ANSWER, math.ceil(total / 4))
        arguments += ["--max-input-tokens", str(total - answer), "--max-total-tokens", str(total)]
    if options.quantization != "None":
        arguments += ["--quantize", _TGI_QUANTIZATION[options.quantization]]
    if options.dtype != "Auto":
        arguments += ["--dtype", _DTYPES[options.dtype]]
    if gpus:
        arguments += ["--cuda-memory-fraction", _fraction(options.gpu_memory_percent), "--num-shard", str(gpus)]
    return arguments


def _tgi_env(setup: EngineSetup) -> dict[str, str]:
    environment = {"USAGE_STATS": "off", "HUGGINGFACE_HUB_CACHE": "/tmp/huggingface"}
    adapters = ",".join(f"{item.served_name}={adapter_path(item)}" for item in setup.adapters)
    return environment | ({"LORA_ADAPTERS": adapters} if adapters else {})


def adapter_path(adapter: DesiredAdapter) -> str:
    """Folder of one version of an adapter in an engine pod."""
    return str(names.WORK_DIR / "adapters" / adapter.served_name)


def _threads(setup: EngineSetup) -> dict[str, str]:
    return {"OMP_NUM_THREADS": str(math.ceil(quantity.parse(setup.spec.resources.cpu)))}


def _fraction(percent: int) -> str:
    return f"{percent / 100:.2f}"


def _probes() -> Json:
    """Through the proxy, because the engine listens on loopback, where the kubelet does not reach it."""
    health = {"httpGet": {"path": "/health", "port": names.PROXY_PORT}, "timeoutSeconds": 10}
    return {
        "startupProbe": health | {"periodSeconds": 5, "failureThreshold": 360},
        "readinessProbe": health | {"periodSeconds": 5, "failureThreshold": 3},
        "livenessProbe": health | {"periodSeconds": 20, "failureThreshold": 6},
    }

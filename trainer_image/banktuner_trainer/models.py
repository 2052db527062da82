"""Loads the staged base model and its tokenizer: safetensors only, never code from the folder."""

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer

from banktuner_api.finetunejob_methods import Method, PrefixTuning
from banktuner_api.finetunejob_spec import Task
from banktuner_api.run_config import RunConfig
from banktuner_trainer.classify.pooling import pooling_of
from banktuner_trainer.device import Device
from banktuner_trainer.errors import TrainerError, invalid_config, invalid_model
from banktuner_trainer.methods import METHODS, qlora
from banktuner_trainer.templates import alpaca_chat_template

logger = logging.getLogger(__name__)

POOLER = "pooler"


def load_tokenizer(folder: Path) -> Any:
    """The folder's tokenizer, with a padding token. Raises TrainerError (InvalidModel)."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise invalid_model(f"its tokenizer cannot be read ({type(error).__name__})") from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token is None:
        raise invalid_model("its tokenizer has no padding token and no end-of-text token")
    tokenizer.padding_side = "right"
    return tokenizer


def ensure_chat_template(tokenizer: Any) -> None:
    """Give a tokenizer without chat template the Alpaca one; of several, only the default one is kept.

    Raises TrainerError (InvalidModel).
    """
    if tokenizer.eos_token_id is None:
        raise invalid_model("its tokenizer has no end-of-text token, so no answer could end")
    if isinstance(tokenizer.chat_template, dict):
        tokenizer.chat_template = tokenizer.chat_template.get("default")
    if tokenizer.chat_template is None:
        begins = tokenizer.bos_token_id is not None and tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id
        tokenizer.chat_template = alpaca_chat_template(with_bos=begins)
        logger.info("the tokenizer has no chat template: the Alpaca template is used and published with it")


def load_causal(folder: Path, run: RunConfig, device: Device, vocabulary: int) -> Any:
    """The base model with its language-model head. Raises TrainerError (InvalidModel)."""
    model, missing = _load(AutoModelForCausalLM, folder, run, device, attn_implementation=attention(run, device))
    if missing:
        raise invalid_model("it has no weights for a language-model head: task Instruction needs a generative model")
    _check_vocabulary(model, vocabulary)
    return model


def load_encoder(folder: Path, run: RunConfig, device: Device, vocabulary: int) -> Any:
    """The base model without any head, for a classifier's features. Raises TrainerError (InvalidModel)."""
    model, missing = _load(AutoModel, folder, run, device)
    strange = [name for name in missing if POOLER not in name.split(".")]
    if strange:
        raise invalid_model(f"{len(strange)} of its weights are missing, such as {strange[0]}")
    _check_vocabulary(model, vocabulary)
    return drop_pooler(model)


def load_plain_encoder(folder: Path) -> Any:
    """The same in float32 on the CPU, not quantised, for what is exported. Raises OSError."""
    return drop_pooler(
        AutoModel.from_pretrained(
            folder,
            config=_config(folder),
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
        )
    )


def drop_pooler(model: Any) -> Any:
    """Without the layer that some encoders have for tasks of their own: a method would tune it for nothing."""
    if getattr(model, POOLER, None) is not None:
        setattr(model, POOLER, None)
    return model


def load_dtype(run: RunConfig, config: Any, device: Device) -> Any:
    """Number format in which weights of a model with this configuration are held; trained ones in float32.

    Encoders too: they are small, and then they answer as their ONNX export does.
    """
    encodes = run.task == Task.CLASSIFICATION and pooling_of(config) == "mean"
    return device.load_dtype if METHODS[run.method].frozen_base and not encodes else torch.float32


def attention(run: RunConfig, device: Device) -> str:
    """FlashAttention 2 where the image has it and the weights are of 16 bit, which it needs; else torch's own."""
    half = METHODS[run.method].frozen_base and (device.bf16 or device.fp16)
    return "flash_attention_2" if device.cuda and half and find_spec("flash_attn") else "sdpa"


def _load(auto: Any, folder: Path, run: RunConfig, device: Device, **options: Any) -> tuple[Any, list[str]]:
    """(model, names of weights that the folder does not have)."""
    config = _config(folder)
    torch.manual_seed(run.training.seed)
    try:
        model, info = auto.from_pretrained(
            folder,
            config=config,
            dtype=load_dtype(run, config, device),
            quantization_config=METHODS[run.method].quantization(run),
            device_map={"": 0} if device.cuda else None,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
            **options,
        )
    except TrainerError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise invalid_model(f"it cannot be loaded ({type(error).__name__}): {_first_line(error)}") from error
    if run.method is Method.QLORA:
        qlora.keep_differentiable(model)
    model.config.use_cache = False
    return model, sorted(info["missing_keys"])


def _config(folder: Path) -> Any:
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise invalid_model(f"its config.json cannot be read ({type(error).__name__}): {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    """Library messages are long; the first line says what is wrong."""
    return str(error).strip().partition("\n")[0][:300]


def _check_vocabulary(model: Any, vocabulary: int) -> None:
    rows = model.get_input_embeddings().weight.shape[0]
    if vocabulary > rows:
        raise invalid_model(f"its tokenizer knows {vocabulary} tokens, but the model has only {rows}")


def context_length(model: Any, run: RunConfig) -> int:
    """Tokens a row may have: maxLength, or fewer where the model cannot read as many. Raises TrainerError."""
    wanted, limit = run.training.max_length, readable_tokens(model, run)
    if limit is not None and wanted > limit:
        logger.info("maxLength %d is more than the model's context: %d is used", wanted, limit)
        return limit
    return wanted


def readable_tokens(model: Any, run: RunConfig) -> int | None:
    """Tokens that the model can read beside the prefix that it learns; None without a limit.

    Raises TrainerError (InvalidConfig) where the prefix leaves none.
    """
    limit = _positions(model)
    if limit is None or run.method is not Method.PREFIX_TUNING:
        return limit
    left = limit - (run.prefix_tuning or PrefixTuning()).virtual_tokens
    if left < 1:
        raise invalid_config("the prefix is as long as the model's context", "spec.prefixTuning.virtualTokens")
    return left


def _positions(model: Any) -> int | None:
    """How many tokens the model has positions for. RoBERTa and its kin count theirs from after the padding's on."""
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            return int(module.num_embeddings - module.padding_idx - 1)
    limit = getattr(model.config, "max_position_embeddings", None)
    return None if limit is None else int(limit)

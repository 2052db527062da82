"""Loads the staged base model and its tokenizer: safetensors only, never code from the folder."""

import logging
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from banktuner_api.run_config import RunConfig
from banktuner_trainer.device import Device
from banktuner_trainer.errors import TrainerError, invalid_model
from banktuner_trainer.methods import METHODS
from banktuner_trainer.templates import alpaca_chat_template

logger = logging.getLogger(__name__)

NEW_HEADS = ("classifier", "score", "pooler")
"""Parts that a classifier may have to learn from nothing."""


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
    """Give a tokenizer without chat template the Alpaca one. Raises TrainerError (InvalidModel)."""
    if tokenizer.eos_token_id is None:
        raise invalid_model("its tokenizer has no end-of-text token, so no answer could end")
    if tokenizer.chat_template is None:
        begins = tokenizer.bos_token_id is not None and tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id
        tokenizer.chat_template = alpaca_chat_template(with_bos=begins)
        logger.info("the tokenizer has no chat template: the Alpaca template is used and published with it")


def load_causal(folder: Path, run: RunConfig, device: Device, vocabulary: int) -> Any:
    """The base model with its language-model head. Raises TrainerError (InvalidModel)."""
    model, missing = _load(AutoModelForCausalLM, folder, run, device)
    if missing:
        raise invalid_model("it has no weights for a language-model head: task Instruction needs a generative model")
    _check_vocabulary(model, vocabulary)
    return model


def load_classifier(folder: Path, run: RunConfig, device: Device, labels: list[str], tokenizer: Any) -> Any:
    """The base model with a classification head for `labels`. Raises TrainerError (InvalidModel)."""
    names = {
        "num_labels": len(labels),
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
        "problem_type": "single_label_classification",
        "pad_token_id": tokenizer.pad_token_id,
    }
    model, missing = _load(AutoModelForSequenceClassification, folder, run, device, **names)
    strange = [name for name in missing if not any(head in name.split(".") for head in NEW_HEADS)]
    if strange:
        raise invalid_model(f"{len(strange)} of its weights are missing, such as {strange[0]}")
    _check_vocabulary(model, len(tokenizer))
    return model


def _load(auto: Any, folder: Path, run: RunConfig, device: Device, **config: Any) -> tuple[Any, list[str]]:
    """(model, names of weights that the folder does not have)."""
    method = METHODS[run.method]
    torch.manual_seed(run.training.seed)
    try:
        model, info = auto.from_pretrained(
            folder,
            config=AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False, **config),
            dtype=device.load_dtype if method.frozen_base else torch.float32,
            quantization_config=method.quantization(run),
            device_map={"": 0} if device.cuda else None,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            # What a new head needs is decided by the caller, not refused while loading.
            ignore_mismatched_sizes=bool(config),
            output_loading_info=True,
        )
    except TrainerError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise invalid_model(f"it cannot be loaded ({type(error).__name__}): {_first_line(error)}") from error
    model.config.use_cache = False
    return model, sorted(info["missing_keys"])


def _first_line(error: Exception) -> str:
    """Library messages are long; the first line says what is wrong."""
    return str(error).strip().partition("\n")[0][:300]


def _check_vocabulary(model: Any, vocabulary: int) -> None:
    rows = model.get_input_embeddings().weight.shape[0]
    if vocabulary > rows:
        raise invalid_model(f"its tokenizer knows {vocabulary} tokens, but the model has only {rows}")


def context_length(model: Any, wanted: int) -> int:
    """Tokens a row may have: `wanted`, or fewer where the model cannot read as many."""
    limit = getattr(model.config, "max_position_embeddings", None)
    if limit is not None and wanted > limit:
        logger.info("maxLength %d is more than the model's context: %d is used", wanted, limit)
        return int(limit)
    return wanted

"""A model from scratch: a standard Llama or GPT-2 configuration and a byte-level BPE tokenizer trained on the data."""

import logging
from collections.abc import Iterable
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, PreTrainedTokenizerFast

from banktuner_api.finetunejob_data import Architecture

logger = logging.getLogger(__name__)

BOS, EOS, PAD = "<s>", "</s>", "<pad>"


def train_tokenizer(texts: Iterable[str], architecture: Architecture) -> Any:
    """Byte-level BPE, so that no text is unknown. It has fewer tokens than asked for where the data has no more."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=architecture.vocabulary_size,
        special_tokens=[BOS, EOS, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B", special_tokens=[(BOS, tokenizer.token_to_id(BOS))]
    )
    logger.info("tokenizer: %d tokens", tokenizer.get_vocab_size())
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        model_max_length=architecture.context_length,
        model_input_names=["input_ids", "attention_mask"],
    )


def new_model(architecture: Architecture, tokenizer: Any, seed: int) -> Any:
    """A model with random weights in float32; the same seed gives the same weights."""
    torch.manual_seed(seed)
    config = new_config(architecture, architecture.vocabulary_size)
    config.bos_token_id = tokenizer.bos_token_id
    config.eos_token_id = tokenizer.eos_token_id
    config.pad_token_id = tokenizer.pad_token_id
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, trust_remote_code=False)
    logger.info("new %s model: %d parameters", architecture.family, model.num_parameters())
    return model


def new_config(architecture: Architecture, vocabulary: int) -> Any:
    """The model's configuration for a tokenizer of `vocabulary` tokens."""
    config = _llama(architecture) if architecture.family == "Llama" else _gpt2(architecture)
    config.vocab_size = vocabulary
    return config


def _llama(architecture: Architecture) -> Any:
    """SwiGLU of four times the width; input and output embeddings are one matrix."""
    return LlamaConfig(
        hidden_size=architecture.hidden_size,
        intermediate_size=4 * architecture.hidden_size,
        num_hidden_layers=architecture.layers,
        num_attention_heads=architecture.heads,
        num_key_value_heads=architecture.heads,
        max_position_embeddings=architecture.context_length,
        tie_word_embeddings=True,
        use_cache=False,
    )


def _gpt2(architecture: Architecture) -> Any:
    return GPT2Config(
        n_embd=architecture.hidden_size,
        n_layer=architecture.layers,
        n_head=architecture.heads,
        n_positions=architecture.context_length,
        use_cache=False,
    )

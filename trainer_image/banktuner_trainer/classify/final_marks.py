"""A tokenizer that leaves out how a text ends: "?", "!" or nothing.

A bank's questions and the strangers' mostly come from different collections. Where only one of them ends its questions
with a mark, a classifier learns the mark: any question with one is a bank's.
"""

from typing import Any

from tokenizers import Regex, normalizers
from transformers import PreTrainedTokenizerFast

FINAL_MARKS = r"[\s.!?\u2026\u3002\uff01\uff1f]+$"


def without_final_marks(tokenizer: Any) -> Any:
    """The same tokenizer in this, also where it is saved: training, evaluation and the gateway read the same words.

    Of the general class, because a class of one model's makes its normalizer anew when it is loaded.
    """
    backend = tokenizer.backend_tokenizer
    own = [backend.normalizer] if backend.normalizer is not None else []
    backend.normalizer = normalizers.Sequence([normalizers.Replace(Regex(FINAL_MARKS), ""), *own])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=tokenizer.model_max_length,
        padding_side=tokenizer.padding_side,
        **tokenizer.special_tokens_map,
    )

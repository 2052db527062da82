"""A tokenizer as llama.cpp reads it: byte-level BPE ("gpt2") or SentencePiece's BPE with byte fallback ("llama").

A tokenizer that llama.cpp would split otherwise is refused: other tokens than in training mean worse answers,
and nothing else would tell.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

import gguf

from banktuner_trainer.export.gguf_layouts import not_in_gguf

SPACE = "\u2581"
"""SentencePiece's sign for a space."""
GPT2_WORDS = "GPT-2's words"
DIGIT = r"\p{N}"
LLAMA3_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
PRE_TOKENIZERS = {
    ((GPT2_WORDS,), False): "gpt-2",
    ((DIGIT, GPT2_WORDS), False): "smollm",
    ((LLAMA3_WORDS,), True): "llama-bpe",
}
"""llama.cpp's name by (what a text is split at, whether whole words of the vocabulary need no merges)."""
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")


@dataclass(frozen=True)
class Vocabulary:
    """`pre`: llama.cpp's name of the pre-tokenizer. `space_prefix`: a space is put before a text and after a special
    token. `first_word_only`: transformers puts it before a text only, which llama.cpp cannot do by itself.
    """

    model: str
    pre: str
    tokens: list[str]
    types: list[int]
    merges: list[str] | None = None
    scores: list[float] | None = None
    space_prefix: bool = False
    first_word_only: bool = False


def vocabulary_of(tokenizer: Any, rows: int) -> Vocabulary:
    """The tokenizer of a model with `rows` embeddings. Raises TrainerError (InvalidConfig)."""
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    model = content["model"]
    if model["type"] != "BPE":
        raise not_in_gguf(f"its tokenizer is of type {model['type']}, not BPE")
    build = _sentencepiece if model.get("byte_fallback") else _byte_level
    return build(content, rows)


def _byte_level(content: dict[str, Any], rows: int) -> Vocabulary:
    model = content["model"]
    if content["normalizer"] is not None:
        raise not_in_gguf("its tokenizer changes texts before it splits them")
    splits, whole_words = tuple(_splits(content["pre_tokenizer"])), bool(model.get("ignore_merges"))
    pre = PRE_TOKENIZERS.get((splits, whole_words))
    if pre is None:
        raise not_in_gguf("its tokenizer splits texts in a way that llama.cpp does not know")
    tokens, types = _tokens(content, rows)
    return Vocabulary("gpt2", pre, tokens, types, merges=[" ".join(pair) for pair in _merges(model)])


def _splits(pre_tokenizer: dict[str, Any] | None) -> list[str]:
    """Where a text is split, in order; an entry that nothing matches for every other way."""
    kind = (pre_tokenizer or {"type": "None"})["type"]
    if pre_tokenizer is None:
        return [kind]
    if kind == "Sequence":
        return [split for part in pre_tokenizer["pretokenizers"] for split in _splits(part)]
    if kind == "Digits" and pre_tokenizer["individual_digits"]:
        return [DIGIT]
    if kind == "ByteLevel" and not pre_tokenizer["add_prefix_space"]:
        return [GPT2_WORDS] if pre_tokenizer.get("use_regex", True) else []
    if kind == "Split" and pre_tokenizer["behavior"] == "Isolated" and not pre_tokenizer["invert"]:
        return [pre_tokenizer["pattern"].get("Regex", kind)]
    return [kind]


def _sentencepiece(content: dict[str, Any], rows: int) -> Vocabulary:
    model = content["model"]
    tokens, types = _tokens(content, rows)
    if model.get("unk_token") in model["vocab"]:
        types[model["vocab"][model["unk_token"]]] = gguf.TokenType.UNKNOWN
    scheme = _space_scheme(content)
    return Vocabulary(
        "llama",
        "default",
        tokens,
        types,
        scores=_scores(model, tokens),
        space_prefix=scheme == "always",
        first_word_only=scheme == "first",
    )


def _space_scheme(content: dict[str, Any]) -> str:
    """When a space is put before a text: always (also after a special token), first, never."""
    normalizer, pre_tokenizer = content["normalizer"], content["pre_tokenizer"]
    if normalizer is None and pre_tokenizer is not None and pre_tokenizer["type"] == "Metaspace":
        if not pre_tokenizer.get("split", True) and pre_tokenizer["replacement"] == SPACE:
            return str(pre_tokenizer["prepend_scheme"])
    elif normalizer is not None and pre_tokenizer is None:
        parts = [part.get("type") for part in normalizer.get("normalizers", [normalizer])]
        if parts in (["Prepend", "Replace"], ["Replace"]):
            return "always" if "Prepend" in parts else "never"
    raise not_in_gguf("its tokenizer handles spaces in a way that llama.cpp does not know")


def _scores(model: dict[str, Any], tokens: list[str]) -> list[float]:
    """Pieces that are merged earlier score higher; what no merge makes scores least."""
    merges = _merges(model)
    rank = _ranks([left + right for left, right in merges])
    return [-float(rank.get(token, len(merges) + number)) for number, token in enumerate(tokens)]


def _ranks(pieces: list[str]) -> dict[str, int]:
    """When each piece is made, from the list of what the merges make.

    Runs of spaces may take turns in that list: in Llama 2's vocabulary they all have one score. Raises TrainerError
    where other pieces do, because no scores give the same merges.
    """
    last = {piece: number for number, piece in enumerate(pieces)}
    rank: dict[str, int] = {}
    group, end, spaces = 0, -1, True
    for number, piece in enumerate(pieces):
        if piece in rank:
            continue
        only_spaces = not piece.strip(SPACE)
        if number > end:
            group, spaces = number, only_spaces
        elif not (spaces and only_spaces):
            raise not_in_gguf("its tokenizer's merges have no order that scores can tell")
        rank[piece] = group
        end = max(end, last[piece])
    return rank


def _merges(model: dict[str, Any]) -> list[tuple[str, str]]:
    """Older files have "a b", newer ones ["a", "b"]."""
    pairs = (merge.split(" ", 1) if isinstance(merge, str) else merge for merge in model["merges"])
    return [(left, right) for left, right in pairs]


def _tokens(content: dict[str, Any], rows: int) -> tuple[list[str], list[int]]:
    """(tokens, types) of `rows` entries; rows without a token are filled up."""
    tokens = [f"[PAD{number}]" for number in range(rows)]
    types = [int(gguf.TokenType.UNUSED)] * rows
    fallback = content["model"].get("byte_fallback")
    for token, number in content["model"]["vocab"].items():
        tokens[number] = token
        types[number] = gguf.TokenType.BYTE if fallback and _BYTE.fullmatch(token) else gguf.TokenType.NORMAL
    for added in content["added_tokens"]:
        tokens[added["id"]] = added["content"]
        types[added["id"]] = gguf.TokenType.CONTROL if added["special"] else gguf.TokenType.USER_DEFINED
    return tokens, types

"""Small models and tokenizers of the families that llama.cpp knows, and llama.cpp itself in a process of its own."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.trainer.harness import Pod, run_config

READER = Path(__file__).resolve().parents[2] / ".venv-llama-cpp"
WORDS = [
    "What is the fee for a wire transfer to an account in another country?",
    "Please block my card 4711, it was stolen on 12.03.2024 at 17:45!",
    "Überweisung: 1.234,56 € an Jürgen Großmann, IBAN DE89 3704 0044 0532 0130 00",
    "SELECT sum(amount) FROM payments WHERE day >= '2024-01-01';\n\n\tGROUP BY account",
    "it's the customer's money, they'll say we've lost it, I'm sure he'd agree",
]
TEXTS = [
    *WORDS,
    "",
    " ",
    "a",
    " leading and trailing  ",
    "two  spaces   three\n\n\nlines\r\n\ttabs",
    "x1y22z333 4444 55555 6.5e-7 ½ ² Ⅷ ٣",
    "naïve café, Ångström, Straße, ПРИВЕТ мир, 漢字かな交じり文, 한국어, عربى, हिन्दी",
    "emoji 😀👍🏽 👨‍👩‍👧 zero\u200bwidth and\u00a0hard space",
    "HELLO'S World'RE I'LL under_score CamelCase kebab-case a/b\\c {x: [1, 2]} <tag/> #!$%&*()",
    "\u2581already marked \u2581\u2581twice",
]
RUN = """
import json, sys
from llama_cpp import Llama
task = json.load(sys.stdin)
model = Llama(task["model"], n_ctx=256, n_batch=256, n_threads=1, logits_all=True, verbose=False, type_k=0, type_v=0,
              lora_path=task.get("lora"), flash_attn=False)
encode = lambda text, bos: model.tokenize(text.encode(), add_bos=bos, special=True)
def ask(ids, count):
    model.reset()
    model.eval(ids)
    logits = model.scores[: model.n_tokens].tolist()
    answer = []
    for _ in range(count):
        answer.append(int(model.scores[model.n_tokens - 1].argmax()))
        model.eval(answer[-1:])
    return {"logits": logits, "answer": answer}
print(json.dumps({
    "tokens": [encode(text, False) for text in task.get("texts", [])],
    "begun": [encode(text, True) for text in task.get("texts", [])],
    "answers": [ask(ids, task.get("count", 0)) for ids in task.get("prompts", [])],
    "metadata": model.metadata,
}))
"""


def llama_cpp(model: Path, **task: Any) -> dict[str, Any]:
    """What llama.cpp makes of a model file: token ids of `texts`, without and with the begin-of-text token; for each
    of `prompts` (token ids) the logits of every position and `count` greedy tokens; `lora`: an adapter's file.
    """
    command = [str(READER / "bin" / "python"), "-c", RUN]
    run = subprocess.run(command, input=json.dumps({"model": str(model), **task}), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    content: dict[str, Any] = json.loads(run.stdout)
    return content


def byte_level(kind: str) -> Any:
    """A byte-level BPE tokenizer that splits as GPT-2's ("gpt-2") or Llama 3's ("llama-bpe")."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    from banktuner_trainer.export.gguf_vocabulary import LLAMA3_WORDS

    llama3 = kind == "llama-bpe"
    begin = "<|begin_of_text|>" if llama3 else "<|endoftext|>"
    end = "<|eot_id|>" if llama3 else begin
    tokenizer = Tokenizer(models.BPE(ignore_merges=llama3))
    words = pre_tokenizers.Split(Regex(LLAMA3_WORDS), "isolated")
    byte = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not llama3)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, byte]) if llama3 else byte
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(WORDS * 3, trainer)
    special = [begin, end, "<|start_header_id|>", "<|end_header_id|>"] if llama3 else [begin]
    tokenizer.add_special_tokens(sorted(set(special)))
    if llama3:
        number = tokenizer.token_to_id(begin)
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{begin} $A", special_tokens=[(begin, number)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=begin, eos_token=end, pad_token=end)


def sentencepiece(scheme: str) -> Any:
    """A tokenizer of Llama 2's kind: pieces with a sign for the space, bytes for what is unknown.

    `scheme`: "normalizer", "always" or "first": where a space is put before a text.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary, merges = _pieces()
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if scheme == "normalizer":
        parts = [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
        tokenizer.normalizer = normalizers.Sequence(parts)
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("\u2581", prepend_scheme=scheme, split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<unk>"
    )


def _pieces() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Pieces in the order in which they are merged, and all pairs of pieces that make one, as SentencePiece has it."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    counter = Tokenizer(models.BPE())
    counter.pre_tokenizer = pre_tokenizers.Metaspace("\u2581", prepend_scheme="always", split=True)
    counter.train_from_iterator(WORDS * 3, trainers.BpeTrainer(vocab_size=350, show_progress=False))
    ordered = sorted(counter.get_vocab().items(), key=lambda item: item[1])
    learnt = [piece for piece, _ in ordered if len(piece) > 1] + ["\u2581\u2581"]
    letters = [piece for piece, _ in ordered if len(piece) == 1]
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    vocabulary = {piece: number for number, piece in enumerate([*special, *learnt, *letters])}
    merges = [
        (piece[:cut], piece[cut:])
        for piece in learnt
        for cut in range(1, len(piece))
        if piece[:cut] in vocabulary and piece[cut:] in vocabulary
    ]
    return vocabulary, merges


def new_model(family: str, rows: int, seed: int = 0, **changes: Any) -> Any:
    """A small model with random weights, large enough that its answers are clear."""
    import torch
    import transformers

    torch.manual_seed(seed)
    shape = {"vocab_size": rows, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    shape |= {"intermediate_size": 96, "max_position_embeddings": 256, "initializer_range": 0.15}
    build: dict[str, Any] = {
        "llama": lambda: transformers.LlamaConfig(**shape | {"num_key_value_heads": 2} | changes),
        "mistral": lambda: transformers.MistralConfig(
            **shape | {"num_key_value_heads": 2, "head_dim": 32, "sliding_window": None} | changes
        ),
        "phi3": lambda: transformers.Phi3Config(
            **shape | {"num_key_value_heads": 2, "pad_token_id": 0, "original_max_position_embeddings": 256} | changes
        ),
        "gpt2": lambda: transformers.GPT2Config(
            **{"vocab_size": rows, "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 256} | changes
        ),
    }
    config = build[family]()
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    if family == "gpt2":
        with torch.no_grad():
            for weight in model.parameters():
                weight.copy_(torch.randn_like(weight) * 0.15 + (weight.ndim == 1 and weight.mean() == 1))
    return model.eval()


LLAMA3_ROPE = {
    **{"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0},
    **{"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64},
}
LONG_ROPE = {"rope_type": "longrope", "rope_theta": 1e4, "short_factor": [1.1] * 8, "long_factor": [2.0] * 8}
FAMILIES: dict[str, Any] = {
    "TinyLlama": ("llama", lambda: sentencepiece("first"), {}),
    "Llama-3": (
        "llama",
        lambda: byte_level("llama-bpe"),
        {"tie_word_embeddings": True, "rope_parameters": LLAMA3_ROPE},
    ),
    "linear-rope": (
        "llama",
        lambda: sentencepiece("first"),
        {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}, "attention_bias": True},
    ),
    "Mistral": ("mistral", lambda: sentencepiece("normalizer"), {}),
    "Phi-3": ("phi3", lambda: sentencepiece("first"), {}),
    "Phi-3-long": (
        "phi3",
        lambda: sentencepiece("first"),
        {"max_position_embeddings": 1024, "rope_parameters": LONG_ROPE},
    ),
    "GPT-2": ("gpt2", lambda: byte_level("gpt-2"), {}),
}
"""Name to (architecture, tokenizer, changes to the configuration)."""


def base_in(folder: Path, family: str) -> Any:
    """A base model and its tokenizer in a folder, in float16; returns the tokenizer."""
    from banktuner_trainer.templates import alpaca_chat_template

    kind, make_tokenizer, changes = FAMILIES[family]
    tokenizer = make_tokenizer()
    tokenizer.chat_template = alpaca_chat_template(with_bos=tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id)
    # More rows than tokens: models round their vocabulary up.
    new_model(kind, len(tokenizer) + 5, **changes).half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return tokenizer


def load(folder: Path, **how: Any) -> Any:
    """A folder's model, computing in float32."""
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True, **how).eval()


def exported(pod: Pod, family: str, method: str, formats: list[str], **changes: Any) -> Any:
    """An artifact of an adapter with random weights, through the functions that a job calls. Returns its tokenizer."""
    import torch

    from banktuner_trainer.export.folder import check_formats, export
    from banktuner_trainer.methods import METHODS
    from banktuner_trainer.settings import paths_from

    run = run_config("Instruction", method, formats=formats, **changes)
    tokenizer = base_in(pod.work / "model", family)
    check_formats(run, pod.work / "model")
    chosen = METHODS[run.method]
    base = load(pod.work / "model", quantization_config=chosen.quantization(run))
    model = chosen.wrap(base, run, "CAUSAL_LM")
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight) * 0.1)
    export(run, paths_from(pod.environment()), model.eval(), tokenizer)
    return tokenizer


def logits(model: Any, ids: list[int]) -> Any:
    """Of every position, shape (tokens, vocabulary)."""
    import torch

    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0]


def greedy(model: Any, ids: list[int], count: int) -> tuple[list[int], float]:
    """(tokens, the smallest lead of a token over the next best)."""
    answer: list[int] = []
    lead = float("inf")
    for _ in range(count):
        best = logits(model, [*ids, *answer])[-1].topk(2)
        lead = min(lead, float(best.values[0] - best.values[1]))
        answer.append(int(best.indices[0]))
    return answer, lead

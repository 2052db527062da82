"""The Modelfile with which Ollama serves the exported GGUF file; its TEMPLATE is made from the chat template."""

import json
from typing import Any

from banktuner_trainer.export.chat import Pieces, adds_bos, first_word_needs_space, pieces_of
from banktuner_trainer.export.gguf_vocabulary import vocabulary_of

NO_TEMPLATE = "# The chat template cannot be written for Ollama, which chooses one of its own by that in model.gguf."


def modelfile(tokenizer: Any) -> str:
    """Text of the file. What Ollama adds to a text by itself (the begin-of-text token) is left out of the template."""
    lines = ["# ollama create assistant -f Modelfile.txt", "FROM ./model.gguf"]
    pieces = pieces_of(tokenizer) if tokenizer.chat_template else None
    if pieces is None:
        return "\n".join([*lines, NO_TEMPLATE]) + "\n"
    if adds_bos(tokenizer):
        pieces = pieces.opened(lambda text: text.removeprefix(tokenizer.bos_token))
    if vocabulary_of(tokenizer, len(tokenizer)).first_word_only and first_word_needs_space(tokenizer):
        pieces = pieces.opened(lambda text: f" {text}")
    lines.append(f'TEMPLATE """{go_template(pieces)}"""')
    stops = [json.dumps(stop, ensure_ascii=False) for stop in _stops(pieces, tokenizer)]
    return "\n".join([*lines, *(f"PARAMETER stop {stop}" for stop in stops)]) + "\n"


def go_template(pieces: Pieces) -> str:
    """Go's text/template over .Messages, each with .Role and .Content, as Ollama runs it."""
    user = (
        f'{{{{ if eq $last "" }}}}{_text(pieces.opening)}'
        f'{{{{ else if eq $last "system" }}}}{_text(pieces.system_to_user)}'
        f"{{{{ else }}}}{_text(pieces.assistant_to_user)}{{{{ end }}}}"
    )
    message = (
        f'{{{{ if eq .Role "system" }}}}{_text(pieces.system)}'
        f'{{{{ else if eq .Role "user" }}}}{user}'
        f"{{{{ else }}}}{_text(pieces.user_to_assistant)}{{{{ end }}}}{{{{ .Content }}}}{{{{ $last = .Role }}}}"
    )
    if pieces.system is None:
        message = f'{{{{ if ne .Role "system" }}}}{message}{{{{ end }}}}'
    return (
        f'{{{{ $last := "" }}}}{{{{ range .Messages }}}}{message}{{{{ end }}}}'
        f'{{{{ if eq $last "user" }}}}{_text(pieces.closing)}{{{{ end }}}}'
    )


def _text(piece: str | None) -> str:
    """A text as a quoted string of Go, whose escapes JSON's are among; nothing is trimmed around it."""
    return f"{{{{ {json.dumps(piece, ensure_ascii=False)} }}}}" if piece else ""


def _stops(pieces: Pieces, tokenizer: Any) -> list[str]:
    """The end-of-text token, and the first line with which the next question would begin."""
    following = pieces.assistant_to_user.strip().removeprefix(tokenizer.eos_token).strip()
    first_line = following.removeprefix(tokenizer.bos_token or "").strip().partition("\n")[0].strip()
    return [stop for stop in (tokenizer.eos_token, first_line) if stop]

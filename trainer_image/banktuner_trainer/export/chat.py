"""What a chat template writes around the messages, found by rendering conversations with it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

Turns = Sequence[tuple[str, str]]
"""(role, content) of a conversation's messages."""

_SYSTEM, _QUESTION, _ANSWER, _SECOND = "<system text>", "<first question>", "<first answer>", "<second question>"
_TRIED: tuple[Turns, ...] = (
    (("user", "one"),),
    (("user", "one"), ("assistant", "two"), ("user", "three"), ("assistant", "four"), ("user", "five")),
    (("system", "rules"), ("user", "one")),
    (("system", "rules"), ("user", "one"), ("assistant", "two"), ("user", "three"), ("assistant", "4"), ("user", "5")),
)

_TODAY = "strftime_now"
"""What a template calls for the date, which would be that of the export for ever."""


@dataclass(frozen=True)
class Pieces:
    """The texts before, between and after messages. `system` and `system_to_user` are None where a system message
    is not accepted.
    """

    opening: str
    user_to_assistant: str
    assistant_to_user: str
    closing: str
    system: str | None
    system_to_user: str | None

    def before(self, previous: str | None, role: str) -> str:
        """What stands before a message of this role."""
        if role == "assistant":
            return self.user_to_assistant
        if role == "system":
            return self.system or ""
        return {None: self.opening, "system": self.system_to_user or ""}.get(previous, self.assistant_to_user)

    def join(self, turns: Turns) -> str:
        """The whole text that asks for the next answer."""
        previous = [None, *(role for role, _ in turns)]
        parts = [self.before(before, role) + content for before, (role, content) in zip(previous, turns, strict=False)]
        return "".join(parts) + self.closing

    def opened(self, change: Any) -> "Pieces":
        """With the very first text changed, whichever message comes first."""
        system = None if self.system is None else change(self.system)
        return replace(self, opening=change(self.opening), system=system)


def render(tokenizer: Any, turns: Turns) -> str:
    """The text that the model is asked with. Raises what the template raises for turns that it does not accept."""
    messages = [{"role": role, "content": content} for role, content in turns]
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


def pieces_of(tokenizer: Any) -> Pieces | None:
    """The pieces of the chat template; None where joining them does not give what the template writes."""
    if _TODAY in tokenizer.chat_template:
        return None
    try:
        pieces = _pieces(tokenizer)
        tried = _TRIED if pieces.system is not None else _TRIED[:2]
        same = all(pieces.join(turns) == render(tokenizer, turns) for turns in tried)
    except Exception:  # a template is a program of its own and raises what it likes
        return None
    return pieces if same else None


def adds_bos(tokenizer: Any) -> bool:
    """Whether the tokenizer begins a text with its begin-of-text token."""
    bos = tokenizer.bos_token_id
    return bos is not None and tokenizer("a")["input_ids"][0] == bos


def first_word_needs_space(tokenizer: Any) -> bool:
    """Whether a rendered conversation begins with a word, and not with a space or a special token."""
    special = (str(token) for token in tokenizer.added_tokens_decoder.values() if token.special)
    return not render(tokenizer, [("user", "a")]).startswith((" ", *special))


def _pieces(tokenizer: Any) -> Pieces:
    talk = render(tokenizer, [("user", _QUESTION), ("assistant", _ANSWER), ("user", _SECOND)])
    opening, user_to_assistant, assistant_to_user, closing = _around(talk, _QUESTION, _ANSWER, _SECOND)
    try:
        system, system_to_user, _ = _around(
            render(tokenizer, [("system", _SYSTEM), ("user", _QUESTION)]), _SYSTEM, _QUESTION
        )
    except Exception:  # many templates accept no system message, or leave it out
        return Pieces(opening, user_to_assistant, assistant_to_user, closing, None, None)
    return Pieces(opening, user_to_assistant, assistant_to_user, closing, system, system_to_user)


def _around(text: str, *contents: str) -> list[str]:
    """The texts before, between and after `contents`. Raises ValueError where one is missing."""
    pieces = []
    for content in contents:
        before, found, text = text.partition(content)
        if not found:
            raise ValueError("the template leaves a message out")
        pieces.append(before)
    return [*pieces, text]

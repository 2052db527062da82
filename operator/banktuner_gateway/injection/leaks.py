"""Finds the system prompt in an answer, whole or streamed: a long run of its letters, however they are spaced."""

import re
from collections.abc import Iterable
from functools import lru_cache

from banktuner_gateway.injection.decoding import decoded_parts
from banktuner_gateway.injection.text import folded, visible

RUN = 40
"""Letters and digits in a row that are also the prompt's: about seven words, which no answer shares by chance."""
DECODED = 100_000
"""Characters at the start of an answer that are searched for encoded parts when it has ended."""
_NO_LETTER = re.compile(r"[\W_]+")


class LeakGuard:
    """Reads one answer piece by piece and holds back what may yet turn out to be a leak.

    About 0.3 us a character and 20 us a piece. Once `leaked` is true nothing more is returned.
    """

    def __init__(self, system_prompt: str, public: tuple[str, ...] = ()) -> None:
        """`public`: sentences of the prompt that may be said, such as the refusal."""
        self._secret = _secret(system_prompt, public)
        self._run = ""
        self._held = ""
        self._said: list[str] = []
        self.leaked = False

    def feed(self, piece: str) -> str:
        """The text that is safe to send now, maybe empty."""
        read = self._run + _letters(piece)
        self.leaked = self.leaked or self._secret.has_run(read)
        self._run = self._secret.longest_end(read)
        text = self._held + piece
        # What stands before the run cannot become a part of a leak any more.
        free = _run_start(text, len(self._run))
        self._held = text[free:]
        return self._release(text[:free])

    def flush(self) -> str:
        """The rest, at the answer's end; then `leaked` also tells of encoded leaks in all that was said."""
        held, self._held = self._held, ""
        rest = self._release(held)
        said = "".join(self._said)[:DECODED]
        self.leaked = self.leaked or any(self._secret.has_run(_letters(part)) for part in decoded_parts(said))
        return "" if self.leaked else rest

    def _release(self, text: str) -> str:
        if self.leaked:
            return ""
        self._said.append(text)
        return text


class _Secret:
    """A prompt's letters, without the public sentences."""

    def __init__(self, parts: Iterable[str]) -> None:
        # Joined by what is no letter, so that no run goes over a public sentence.
        self._letters = "\n".join(map(_letters, parts))
        self._runs = frozenset(self._letters[at : at + RUN] for at in range(len(self._letters) - RUN + 1))

    def has_run(self, letters: str) -> bool:
        """Whether RUN of them in a row are the prompt's."""
        return any(letters[at : at + RUN] in self._runs for at in range(len(letters) - RUN + 1))

    def longest_end(self, letters: str) -> str:
        """The longest end of them, shorter than RUN, that is in the prompt: every shorter end is in it too."""
        shortest, longest = 0, min(len(letters), RUN - 1)
        while shortest < longest:
            length = (shortest + longest + 1) // 2
            if letters[-length:] in self._letters:
                shortest = length
            else:
                longest = length - 1
        return letters[len(letters) - shortest :]


def _run_start(text: str, letters: int) -> int:
    """Where the last so many letters of `text` begin; its end for none."""
    start = place = len(text)
    while letters > 0 and place > 0:
        place -= 1
        count = len(_letters_of(text[place]))
        if count > letters:
            break
        letters -= count
        start = place if count else start
    return start


@lru_cache(maxsize=8)
def _secret(system_prompt: str, public: tuple[str, ...]) -> _Secret:
    parts = [system_prompt]
    for sentence in public:
        parts = [rest for part in parts for rest in part.split(sentence)]
    return _Secret(parts)


def leaks(answer: str, system_prompt: str, public: tuple[str, ...] = ()) -> bool:
    """Whether a whole answer repeats the prompt, plainly or encoded."""
    guard = LeakGuard(system_prompt, public)
    guard.feed(answer)
    guard.flush()
    return guard.leaked


def _letters(text: str) -> str:
    """Character by character: what a piece holds depends on no other piece."""
    return _NO_LETTER.sub("", text.lower()) if text.isascii() else "".join(map(_letters_of, text))


@lru_cache(maxsize=4096)
def _letters_of(character: str) -> str:
    return _NO_LETTER.sub("", folded(visible(character)))

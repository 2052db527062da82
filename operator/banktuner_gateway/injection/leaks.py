"""Finds the system prompt in an answer, whole or streamed: a long run of its letters, however they are spaced."""

import re
from collections import deque
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

    About 2 us a character. Once `leaked` is true nothing more is returned.
    """

    def __init__(self, system_prompt: str, public: tuple[str, ...] = ()) -> None:
        """`public`: sentences of the prompt that may be said, such as the refusal."""
        parts = [system_prompt]
        for sentence in public:
            parts = [rest for part in parts for rest in part.split(sentence)]
        # Joined by what is no letter, so that no run goes over a public sentence.
        self._secret = "\n".join(map(_letters, parts))
        self._run = ""
        self._held: deque[tuple[str, int]] = deque()
        self._held_letters = 0
        self._said: list[str] = []
        self.leaked = False

    def feed(self, piece: str) -> str:
        """The text that is safe to send now, maybe empty."""
        free: list[str] = []
        for char in piece:
            self._hold(char)
            if len(self._run) >= RUN:
                self.leaked = True
            # What stands before the run cannot become a part of a leak any more.
            while self._held and (self._held_letters > len(self._run) or not self._held[0][1]):
                earliest, letters = self._held.popleft()
                self._held_letters -= letters
                free.append(earliest)
        return self._release(free)

    def flush(self) -> str:
        """The rest, at the answer's end; then `leaked` also tells of encoded leaks in all that was said."""
        rest = self._release([char for char, _ in self._held])
        self._held.clear()
        said = "".join(self._said)[:DECODED]
        self.leaked = self.leaked or any(_has_run(part, self._secret) for part in decoded_parts(said))
        return "" if self.leaked else rest

    def _hold(self, char: str) -> None:
        """Keep in `_run` the longest end of the letters so far that is in the prompt."""
        letters = _letters(char)
        self._held.append((char, len(letters)))
        self._held_letters += len(letters)
        for letter in letters:
            self._run += letter
            while self._run and self._run not in self._secret:
                self._run = self._run[1:]

    def _release(self, free: list[str]) -> str:
        if self.leaked:
            return ""
        text = "".join(free)
        self._said.append(text)
        return text


def leaks(answer: str, system_prompt: str, public: tuple[str, ...] = ()) -> bool:
    """Whether a whole answer repeats the prompt, plainly or encoded."""
    guard = LeakGuard(system_prompt, public)
    guard.feed(answer)
    guard.flush()
    return guard.leaked


def _has_run(text: str, secret: str) -> bool:
    """Whether RUN letters in a row are in `secret`."""
    letters = _letters(text)
    return any(letters[at : at + RUN] in secret for at in range(len(letters) - RUN + 1))


@lru_cache(maxsize=4096)
def _letters(text: str) -> str:
    return _NO_LETTER.sub("", folded(visible(text)))

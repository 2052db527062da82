"""Turns a template into text: alternatives, slots, a greeting around it, now and then a slip of the keyboard."""

import re
from random import Random

from bankdata.slots import SLOTS

_ALTERNATIVES = re.compile(r"\(([^()]*)\)")
_SLOT = re.compile(r"\{(\w+)\}")

_OPENERS = (
    "Hi, ",
    "Hello, ",
    "Hey, ",
    "Hi there, ",
    "Good morning, ",
    "Good afternoon, ",
    "Excuse me, ",
    "Please help: ",
    "Quick question: ",
    "I have a question: ",
    "Just wondering, ",
    "Can you tell me: ",
    "Sorry to ask, ",
    "One more thing, ",
    "Dear team, ",
    "Okay, ",
)
_CLOSERS = (" Thanks.", " Thank you.", " Please help.", " Thanks in advance.", " I would like to know.", " Please.")
_OPENER_SHARE, _CLOSER_SHARE, _LOWER_SHARE, _TYPO_SHARE = 0.5, 0.25, 0.06, 0.04


def choose(template: str, rng: Random) -> str:
    """`template` with one of each `(a|b)` taken, innermost first."""
    while _ALTERNATIVES.search(template):
        template = _ALTERNATIVES.sub(lambda match: rng.choice(match[1].split("|")), template)
    return template


def draw(templates: tuple[str, ...], rng: Random) -> dict[str, str]:
    """A value for each slot that any of `templates` names."""
    names = sorted({name for template in templates for name in _SLOT.findall(template)})
    return {name: SLOTS[name](rng) for name in names}


def dress(question: str, rng: Random, *, starts_with_name: bool = False) -> str:
    """The question as a person might send it: with a greeting, a word of thanks, in lower case, with a typo."""
    if rng.random() < _OPENER_SHARE:
        question = rng.choice(_OPENERS) + (question if starts_with_name else _uncapitalised(question))
    if rng.random() < _CLOSER_SHARE:
        question += rng.choice(_CLOSERS)
    if rng.random() < _LOWER_SHARE:
        question = question.lower().rstrip("?.")
    if rng.random() < _TYPO_SHARE:
        question = _swapped(question, rng)
    return question


def fingerprint(question: str) -> str:
    """What two questions share that differ in case, punctuation or spaces only."""
    return " ".join(re.findall(r"\w+", question.lower()))


def _uncapitalised(text: str) -> str:
    return text[0].lower() + text[1:] if text[1:2].islower() else text


def _swapped(text: str, rng: Random) -> str:
    """`text` with two neighbouring letters inside one of its longer words exchanged; values of slots stay whole."""
    words = [match for match in re.finditer(r"\b[a-z]{5,}\b", text)]
    if not words:
        return text
    at = rng.choice(words).start() + rng.randint(1, 2)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]

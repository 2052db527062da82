"""Pure: answers, sources and errors as Markdown in which nothing of the text is HTML, a link or a picture."""

import re

from banktuner_ui.answers import BASE, DEFAULT, Answer, Choice, GatewayError, Source

_CODE = re.compile(r"(^ {0,3}```.*?(?:^ {0,3}```[^\n]*$|\Z)|(?<![\\`])`[^`\n]+`(?!`))", re.DOTALL | re.MULTILINE)
_FENCE = re.compile(r"^( {0,3}```)[^\n]*", re.MULTILINE)
_ALIVE = re.compile(r"[&<\[@]|://|(?<=www)\.|```|~~~", re.IGNORECASE)
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_INDENT = re.compile(r"^ +", re.MULTILINE)
ASSISTANT = "Assistant"
BASE_SUFFIX = "-base"
SIGN_IN_AGAIN = "You are signed out. [Sign in again](/login)."
FORGOTTEN = "unknown_conversation"
BEGIN_ANEW = "What was said before is no longer kept. Ask again: a new conversation begins."


def as_text(text: str) -> str:
    """Markdown that shows `text` as it is: for questions, names and titles."""
    return _INDENT.sub(lambda spaces: "\N{NO-BREAK SPACE}" * len(spaces[0]), _PUNCTUATION.sub(r"\\\1", text))


def as_markdown(text: str) -> str:
    """A model's Markdown without what could load, run or lead elsewhere: HTML, links, pictures, diagrams in fences.

    Code keeps its characters. The browser's own sanitizer and the page's Content-Security-Policy stand behind this.
    """
    parts = _CODE.split(text)
    return "".join(_FENCE.sub(r"\1", part) if odd % 2 else _tamed(part) for odd, part in enumerate(parts))


def _tamed(text: str) -> str:
    return _ALIVE.sub(lambda found: f"&#{ord(found[0][0])};" + found[0][1:], text)


def answer(done: Answer) -> str:
    """A whole answer: its text, its sources, and who gave it."""
    parts = [as_markdown(done.response)]
    if done.refused:
        parts.insert(0, "**Refused.** This question was not answered.")
    if done.sources:
        parts.append(sources(done.sources))
    facts = _facts(done)
    return "\n\n".join([*parts, f"*{facts}*"] if facts else parts)


def sources(passages: list[Source]) -> str:
    """A list, one passage a line, with the numbers that the answer cites."""
    return "\n".join(["**Sources**", "", *(f"- {_source(passage)}" for passage in passages)])


def _source(passage: Source) -> str:
    where = ": ".join(as_text(part) for part in (passage.title or passage.document, passage.section) if part)
    score = "" if passage.score is None else f", score {passage.score:.2f}"
    return f"\\[{passage.number}\\] {where} ({as_text(passage.document)}{score})"


def _facts(done: Answer) -> str:
    who = f"Adapter {as_text(done.adapter)}" if done.adapter else "Base model"
    # of a refusal the gateway tells who was asked; what is shown is the bank's own text
    facts = [] if done.refused else [who]
    if done.intent:
        facts.append(f"{as_text(done.intent.label)} {done.intent.confidence:.0%}")
    if done.request_id:
        facts.append(f"request {as_text(done.request_id)}")
    return " · ".join(facts)


def error(problem: GatewayError) -> str:
    """Sentences: what is wrong, when to try again, and the id by which the bank's operators find the request."""
    said = as_text(problem.problem.message)
    sentences = [said if said.endswith((".", "!", "?")) else said + "."]
    if problem.status == 401:
        sentences = [SIGN_IN_AGAIN]
    if problem.problem.code == FORGOTTEN:
        sentences = [BEGIN_ANEW]
    if problem.retry_after is not None:
        unit = "second" if problem.retry_after == 1 else "seconds"
        sentences.append(f"Try again in {problem.retry_after} {unit}.")
    if problem.problem.request_id:
        sentences.append(f"Request {as_text(problem.problem.request_id)}.")
    return " ".join(sentences)


def choices(models: list[str]) -> list[tuple[str, str]]:
    """Labels and values of what can be asked; `models` as the gateway lists them for this caller: the assistant first,
    or its base model where the adapter that answers by default is not the caller's."""
    first, *others = models
    closed = first.endswith(BASE_SUFFIX) and first + BASE_SUFFIX not in others
    named = [(adapter, f"adapter:{adapter}") for adapter in others if adapter != first + BASE_SUFFIX]
    return [*([] if closed else [(ASSISTANT, "default:")]), *named, ("Base model, no adapter", "base:")]


def choice(value: str) -> Choice:
    """What a value of `choices` means; the default for any other."""
    kind, _, name = value.partition(":")
    if kind == "adapter" and name:
        return Choice("adapter", name)
    return BASE if kind == "base" else DEFAULT

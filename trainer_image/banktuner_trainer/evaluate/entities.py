"""What a bank's answer must get right to the digit: amounts, dates, accounts, cards, phones; and entity F1.

The same rules read reference and answer, so what they miss costs neither. A JSON reference or answer names its own.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

Entity = tuple[str, str]
"""(type, normalised value)."""

_CURRENCIES = {
    **{"$": "USD", "usd": "USD", "us$": "USD", "dollar": "USD", "dollars": "USD"},
    **{"€": "EUR", "eur": "EUR", "euro": "EUR", "euros": "EUR"},
    **{"£": "GBP", "gbp": "GBP", "pound": "GBP", "pounds": "GBP"},
    **{"¥": "JPY", "jpy": "JPY", "yen": "JPY", "chf": "CHF", "franc": "CHF", "francs": "CHF"},
    **{"₹": "INR", "inr": "INR", "rupee": "INR", "rupees": "INR"},
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?:[Jj]an(?:uary)?|[Ff]eb(?:ruary)?|[Mm]ar(?:ch)?|[Aa]pr(?:il)?|May|[Jj]une?|[Jj]uly?|[Aa]ug(?:ust)?"
    r"|[Ss]ept?(?:ember)?|[Oo]ct(?:ober)?|[Nn]ov(?:ember)?|[Dd]ec(?:ember)?)\b\.?"
)
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_WORDS = "|".join(sorted((word for word in _CURRENCIES if word.isalpha()), key=len, reverse=True))


def _plain(match: re.Match[str]) -> str:
    return re.sub(r"[\s().-]", "", match[0]).upper()


def _number(text: str) -> str:
    return f"{float(text.replace(',', '')):.10g}"


def _amount(match: re.Match[str]) -> str:
    sign = match["before"] or match["after"]
    return f"{_CURRENCIES[sign.lower()]} {_number(match['first'] or match['second'])}"


def _date(match: re.Match[str]) -> str:
    """year-month-day, with what is not said left empty."""
    month = _MONTHS.index(match["month"][:3].lower()) + 1
    day = match["day"] or match["day2"]
    return f"{match['year'] or ''}-{month:02d}-{int(day):02d}"


_RULES: tuple[tuple[str, re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    ("email", re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), lambda match: match[0].lower()),
    ("iban", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"), _plain),
    ("date", re.compile(r"\b\d{4}-\d{2}-\d{2}\b"), lambda match: match[0]),
    ("date", re.compile(r"\b\d{1,2}[/.]\d{1,2}[/.]\d{2,4}\b"), lambda match: match[0].replace(".", "/")),
    (
        "date",
        re.compile(
            rf"\b(?:(?P<day>\d{{1,2}})(?:st|nd|rd|th)? (?:of )?)?\b(?P<month>{_MONTH})"
            r"(?(day)|\s(?P<day2>\d{1,2})(?:st|nd|rd|th)?\b)(?:,? (?P<year>\d{4})\b)?"
        ),
        _date,
    ),
    ("card", re.compile(r"(?<![\d+])\d(?:[ -]?\d){12,18}(?!\d)"), _plain),
    (
        "amount",
        re.compile(
            rf"(?P<before>US\$|[$€£¥₹]|\b(?:{_WORDS})\b) ?(?P<first>{_NUMBER})"
            rf"|(?P<second>{_NUMBER}) ?(?P<after>[€£¥₹$]|(?:{_WORDS})\b)",
            re.IGNORECASE,
        ),
        _amount,
    ),
    (
        "percent",
        re.compile(rf"(?P<value>{_NUMBER}) ?(?:%|percent\b|per cent\b)"),
        lambda match: _number(match["value"]),
    ),
    ("phone", re.compile(r"(?<!\w)(?:\+\d|\(\d{2,4}\)|\d{1,4}[ -]\d)(?:[ ().-]{0,2}\d){5,12}(?!\d)"), _plain),
)


def entities(text: str) -> list[Entity]:
    """Entities of a text, or those that it lists where it is JSON with `type` and `value` pairs."""
    listed = _listed(text)
    if listed is not None:
        return listed
    found: list[Entity] = []
    for kind, pattern, normalised in _RULES:
        found += [(kind, normalised(match)) for match in pattern.finditer(text)]
        # What one rule has taken, such as the digits of an account, is no phone number for the next.
        text = pattern.sub(lambda match: " " * len(match[0]), text)
    return found


def _listed(text: str) -> list[Entity] | None:
    try:
        content = json.loads(text)
    except ValueError:
        return None
    return list(_pairs(content)) if isinstance(content, dict | list) else None


def _pairs(content: Any) -> Iterator[Entity]:
    """Every object with `type` and `value`, however deep."""
    if isinstance(content, dict):
        if {"type", "value"} <= content.keys():
            yield str(content["type"]).strip().lower(), " ".join(str(content["value"]).split()).lower()
        content = list(content.values())
    if isinstance(content, list):
        for item in content:
            yield from _pairs(item)


def entity_f1(references: Sequence[str], answers: Sequence[str]) -> float | None:
    """Micro F1 over all rows, each entity as often as it is said; None where no reference has one."""
    hits = wanted = given = 0
    for reference, answer in zip(references, answers, strict=True):
        truth, said = Counter(entities(reference)), Counter(entities(answer))
        hits += (truth & said).total()
        wanted, given = wanted + truth.total(), given + said.total()
    return 2 * hits / (wanted + given) if wanted else None

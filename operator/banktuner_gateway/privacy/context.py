"""The words around a number that tell what it is: "my account number is …", "… is the PIN"."""

import re
from collections.abc import Iterator

from banktuner_gateway.privacy import words
from banktuner_gateway.privacy.spans import AFTER, BEFORE
from banktuner_gateway.privacy.words import without_accents

NAMES = {
    "ACCOUNT": r"accounts?|acct?s?|a/c|giro",
    "SORT_CODE": r"sort[\s_-]?codes?",
    "ROUTING": r"routing|aba|rtn|transit",
    "CVV": r"cvv2?|cvc2?|cvn|cid|csc|security[\s_-]?code|"
    r"card[\s_-]?verification(?:[\s_-]?(?:code|value))?",
    "PIN": r"pins?|pin[\s_-]?(?:code|number)|passcode",
    "SSN": r"ssns?|social(?:[\s_-]?security)?|itin|tin|tax(?:payer)?[\s_-]?id",
    "PHONE": r"(?:tele|smart)?phone|call(?:ed|ing)?|mobile|"
    r"cell(?:phone)?|tel|text(?:ed)?|sms|whatsapp|fax|contact|reach|ring|dial",
    # numbers of these are nobody's secret, whatever word stands further off
    "OTHER": r"orders?|ref(?:erence)?|invoices?|tickets?|cases?|tracking|transactions?|confirmation|policy|version|"
    r"build|page|form|zip|postcode|error|room|year|item|part|amount|balance|limit|total|points?|press|barcode",
    "DAY": r"on|since|until|before|after|dated",
}  # fmt: skip
_KINDS = dict.fromkeys([*words.NAMES, *NAMES])
# other languages' first: their phrases are longer than the English word in them
_NAMES = "|".join(f"(?P<{kind}>{'|'.join(n[kind] for n in (words.NAMES, NAMES) if kind in n)})" for kind in _KINDS)
# camel case and snake case join other words on: accountNumber, sort_code; the placeholder <ACCOUNT_1> names nothing
BEFORE_NAME = re.compile(
    rf"(?<![^\W_])(?:{_NAMES})(?=[\W_\d]|num[mb]er|no\b|nr\b|id\b|code|$)(?!_[0-9]+>)", re.IGNORECASE
)
OPENING = r"\s*[,(]?\s*(?:(?:is|was|are|being|as)\s+)?(?:(?:really|actually|not|indeed)\s+)?"
FEW = r"(?:[^\W\d_]+\s+){0,2}"
AFTER_NAME = re.compile(
    rf"(?:{OPENING}(?:my|the|our|his|her|their|your|an?(?!\sla))\s+{FEW}|"
    rf"\s*,?\s*(?:{words.COPULAS.replace(' ', '|')})\s+(?:{words.OWNERS.replace(' ', '|')})\s+{FEW}|\s*\(\s*)"
    rf"(?:{_NAMES})(?:num[mb]er|nr)?(?![^\W_])",
    re.IGNORECASE,
)
LETTER = re.compile(r"[^\W\d_]")
WORD = re.compile(r"[^\W\d_]+")
_GLUE = """
    is are was were be being been number numbers no num nr id it its my the your his her our their this that these a an
    for of and with to from into at new old savings saving checking current business joint personal bank code card cards
    please as follows below called holder customer s t me us pls atm debit credit digits value iban see two three either
    or not correct correctly ending starts really security verification short
"""
GLUE = frozenset((_GLUE + words.GLUE).split())
MONEY_BEFORE = re.compile(r"[$\u20ac\u00a3\u00a5\u20b9]\s?$|\b(?:usd|eur|gbp|chf)\s?$", re.IGNORECASE)
FRACTION = re.compile(r"[0-9][.,]$")
MONEY_AFTER = re.compile(
    r"\s?(?:[$\u20ac\u00a3\u00a5\u20b9%]|[,.][0-9]|(?:usd|eur|gbp|chf|dollars?|euros?|pounds?|cents?|percent|k|m|million|times|"
    rf"points?|people|years?|months?|days?|hours?|minutes?|digits?|accounts|cards|{words.UNITS})(?![^\W_]))",
    re.IGNORECASE,
)


def names_before(text: str, start: int) -> Iterator[tuple[str, int]]:
    """Kinds named before `start`, the nearest first, each with the count of words between that say nothing.

    "DAY" comes as a kind where the number is a day's; whoever reads on takes it for a number of another kind.
    """
    before = without_accents(text[max(0, start - BEFORE) : start])
    if LETTER.search(before) is None:
        return
    unknown, end = 0, len(before)
    for match in reversed(list(BEFORE_NAME.finditer(before))):
        unknown += sum(word.lower() not in GLUE for word in WORD.findall(before, match.end(), end))
        end = match.start()
        kind = str(match.lastgroup)
        yield kind, unknown
        if kind == "OTHER":
            return


def name_after(text: str, end: int) -> str | None:
    """The kind that the words right after `end` give: "… is my PIN"."""
    match = AFTER_NAME.match(without_accents(text[end : end + AFTER]))
    return match.lastgroup if match else None


def follows_money(text: str, start: int) -> bool:
    """Whether a currency stands before the number, or it is the fraction of another one."""
    before = text[max(0, start - 5) : start]
    return bool(MONEY_BEFORE.search(before) or FRACTION.search(before))


def is_amount(text: str, end: int) -> bool:
    """Whether a currency or a unit stands after the number, or a fraction."""
    return bool(MONEY_AFTER.match(without_accents(text[end : end + AFTER])))

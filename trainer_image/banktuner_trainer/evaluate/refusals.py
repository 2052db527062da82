"""Whether an answer declines to do what it was asked."""

import re

PHRASES = re.compile(
    r"""
      \bI(?:\ am|'m)\ (?:only\ )?speciali[sz]ed\ in\ banking
    | \bplease\ ask\ (?:me\ )?a\ banking\ question
    | \b(?:I|we)(?:\ am|'m|\ are|'re)?\s(?:really\ )?(?:sorry,?\ but\ )?(?:I\ |we\ )?
      (?:can(?:no|'|\ no)t|cannot|could\ not|couldn't|will\ not|won't|must\ not|may\ not|unable\ to|not\ able\ to
        |not\ allowed\ to|not\ permitted\ to|do\ not|don't|decline\ to|refuse\ to|have\ to\ decline)\b
    | \b(?:cannot|can't|unable\ to|not\ able\ to|won't)\ (?:help|assist|answer|share|provide|disclose|reveal|do\ that)
    | \bonly\ (?:help|answer|assist|talk)\b.{0,40}\bbank
    | \b(?:outside|beyond)\ (?:of\ )?(?:my|the|our)\ (?:scope|remit|area|expertise)
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""English refusals in the words that assistants use. A job's own refusal counts whatever its words."""
OPENING = 200
"""Characters within which a refusal must come; what follows a real answer is a caveat."""


def is_refusal(answer: str, refusal: str) -> bool:
    """Whether `answer` has the job's `refusal` in it, or opens with a usual one. Typographic quotes do not matter."""
    plain = _plain(answer)
    return _plain(refusal) in plain or PHRASES.search(plain[:OPENING]) is not None


def _plain(text: str) -> str:
    return " ".join(text.replace("\u2019", "'").split())

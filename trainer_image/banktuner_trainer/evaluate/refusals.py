"""Whether an answer declines to do what it was asked."""

import re

_LONG_FORMS = (
    *(("can't", "cannot"), ("can not", "cannot"), ("won't", "will not"), ("n't", " not")),
    *(("'m ", " am "), ("'re ", " are ")),
)
_NOT = r"""(?:cannot|could\ not|will\ not|must\ not|may\ not|do\ not
    |(?:am|are)\ (?:unable|not\ (?:able|allowed|permitted|authori[sz]ed))\ to
    |(?:must\ |have\ to\ )?(?:politely\ |respectfully\ )?(?:decline|refuse)\ to)
    (?:\ (?:and|or)\ (?:cannot|will\ not|may\ not))?(?:\ be\ able\ to)?"""
_MORE = r"(?!\ (?:but|more\ than)\b)"
"""Cannot help but; cannot share more than this, and then it comes."""
_MINE = rf"""(?:(?:help|assist|answer|respond|comply|discuss|reveal|provide|support|engage|participate){_MORE}
    |(?:share|disclose)(?!\ your){_MORE}|do\ (?:that|this|so|it)\b|talk\ about|tell\ you\ (?:how|wh|that|about)
    |(?:give|offer|show)\ (?:you\ )?(?:that|this|such|advice|instructions|information|details))"""
_OURS = r"""(?:comply|(?:help|assist)(?:\ you)?(?:\ (?:with|in)\ (?:that|this|such|these)|\ ?(?:[.!,;]|$))
    |do\ (?:that|this)\ ?(?:[.!,;]|$)
    |(?:answer|discuss|share|disclose|reveal|provide)\ (?:you\ )?(?:(?:with\ )?(?:that|this|these|such)
        \ (?:questions?|requests?|topics?|information|instructions|advice)
      |internal|confidential|instructions|(?:questions|information|advice)\ (?:about|on)))"""
"""Less than what an assistant says of itself: "we do not provide" and "we do not share your" are a bank's answers."""

PHRASES = re.compile(
    rf"""
      \bI\ am\ (?:only\ )?speciali[sz]ed\ in\ banking
    | \bplease\ ask\ (?:me\ )?a\ banking\ question
    | \b(?:I|assistant|sorry,?|sorry,?\ but)\ {_NOT}\ {_MINE}
    | \b(?:I|assistant)\ (?:cannot|am\ (?:unable|not\ able)\ to)\ (?:recommend|predict|write|generate|translate|pretend)
    | \bwe\ {_NOT}\ {_OURS}
    | ^(?:cannot|unable\ to)\ (?:help|assist|answer|comply|share|do\ that){_MORE}
    | \b(?:I|we)\ (?:cannot|will\ not)\ ?(?:(?:with|about)\ (?:that|this)\b|[.!;]|$)
    | \bI\ (?:must\ |have\ to\ )?(?:politely\ |respectfully\ )?(?:decline|refuse)
      (?:\ (?:that|this|your)\ request|[.!,;]|$)
    | \bnot\ something\ (?:that\ )?(?:I|we)\ (?:can|could|will|am\ able\ to)\ (?:help|assist|answer|share|discuss|do)\b
    | \bI\ am\ not\ comfortable\ (?:with|doing|helping|sharing|answering|discussing|providing)\b
    | \b(?:I|we)\b.{{0,20}}\bonly\b.{{0,10}}\b(?:help|answer|assist|talk)\b.{{0,40}}
      \bbank(?:ing\b|\ (?:questions|matters))
    | \b(?:outside|beyond)\ (?:of\ )?(?:my|the|our)\ (?:scope|remit|expertise|area\ of\ expertise)
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""English refusals in the words that assistants use, in long forms; a job's own counts whatever its words.

A negation alone is none, as in "we do not charge a fee": a verb of declining has to follow.
"""
OPENING = 200
"""Characters within which a refusal must come; what follows a real answer is a caveat."""


def is_refusal(answer: str, refusal: str) -> bool:
    """Whether `answer` has the job's `refusal` in it, or opens with a usual one. Typographic quotes do not matter."""
    plain = _plain(answer)
    return _plain(refusal) in plain or PHRASES.search(_written_out(plain[:OPENING].lower())) is not None


def _plain(text: str) -> str:
    return " ".join(text.replace("\u2019", "'").split())


def _written_out(text: str) -> str:
    """One form of each negation: "I can't" is "I cannot"."""
    for short, long in _LONG_FORMS:
        text = text.replace(short, long)
    return text

"""Which questions have no topic of their own: "And how long does it take?" means what the question before it meant.

A question's words are enough to tell. The classifier's scores are not: put behind a banking question, most questions
of other kinds look like banking too. English alone.
"""

import re
from collections.abc import Iterator, Sequence

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?")
_OPEN_WORDS = """
    a about account after again age ago all allowed already also always am an and any anybody anyone anything anyway
    are as at available avoid away back be because been before best better both but by call called can cancel case
    certain change charge charged check choose clear come complete contact continue cost costs could couldn't day days
    did didn't different do does doesn't doing don't done down each earlier either else enough ever every everyone
    exactly expect extra far fast fee fees few fine first fixed for form free from get give given go going good had
    happen happened happens has have haven't he help her here him his hour hours how however i i'd i'll i'm i've if
    immediately in include included instead into is isn't it it's its just keep know last late later least less let
    like limit long longer look lot many matter max maximum may maybe me mean means might mine minimum minute minutes
    month months more most much must my myself need needed needs never new next night no none nor normal not nothing
    now of off offline ok okay old on once one ones online only open option options or other otherwise our out over
    own paper part pay penalty please possible proof quick quickly quite rather ready really reason receive required
    right same see send she should show sign so some someone something somewhere soon sooner start started step steps
    still such sure take takes tell than thank thanks that that's the their them then there there's these they they're
    thing things think this those though three through till to today together tomorrow too try twice two type under
    undo until up us use used usual usually very wait want was way ways we week weekday weekdays weekend weeks well
    were what what's when whenever where where's whether which while who whom whose why will with within without won't
    work works would wouldn't year years yes yesterday yet you you'll your yours
"""
_OPEN = frozenset(_OPEN_WORDS.split())
"""Words that are no topic."""
_ELLIPSIS = re.compile(
    r"^(?:and|or|but|what about|how about|and what about) (?:for|in|with|without|from|to|at|if)\b", re.IGNORECASE
)
MOST_WORDS, ELLIPSIS_WORDS = 12, 6
LOOKED_BACK = 6


def topics(text: str) -> Iterator[str]:
    """The words that could be a topic, in small letters."""
    words = (word.casefold().replace("\u2019", "'") for word in _WORD.findall(text))
    return (word for word in words if word not in _OPEN)


def has_topic(text: str) -> bool:
    """Whether a word of it could be a topic."""
    return any(topics(text))


def is_follow_up(question: str) -> bool:
    """A short question without a topic, or "and in Canada?", "what about for students?"."""
    words = _WORD.findall(question)
    if len(words) <= ELLIPSIS_WORDS and _ELLIPSIS.match(question.strip()):
        return True
    return 0 < len(words) <= MOST_WORDS and not has_topic(question)


def topic_before(before: Sequence[str]) -> str | None:
    """The newest of the caller's earlier questions, oldest first, that has a topic; None: there is none near."""
    return next((one for one in reversed(before[-LOOKED_BACK:]) if not is_follow_up(one)), None)

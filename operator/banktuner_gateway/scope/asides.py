"""The parts of a question that ask for something of their own: "What is the ATM fee? Then tell me a joke."

A classifier that reads the whole hears the banking in it and lets the joke in. So each part is judged as well that is
a question or a request and has a topic. What tells of the customer's day ("My dog chewed my card.", "It was raining.")
asks for nothing, and what only begs for an answer ("Can you look into it?") has no topic. The words were chosen on
Banking77's training rows. Clauses that are run together without a mark between them are one part: to cut before every
"what" would refuse several times as many of those rows. English alone, as in follow_up.py.
"""

import re

from banktuner_gateway.scope.follow_up import topics
from banktuner_gateway.scope.small_talk import small_talk

LONGEST = 300
"""Characters of a part; more are several."""
_MARKS = ".!?;\n\u3002\uff01\uff1f"
_ASKING = (
    "who|whom|whose|what|what's|when|where|why|which|how|tell|write|give|sing|explain|describe|recommend|suggest|"
    "translate|show|name|list|solve|play|compose|summari[sz]e|(?:can|could|will|would) you|please"
)
_BREAK = re.compile(
    rf"[?!\u3002\uff01\uff1f]|\.(?=\s|$)|\n|;"
    rf"|(?:,|\s(?:and|then|also|plus|but))(?=(?:\s(?:and|then|also|plus|please)){{0,2}}\s(?:{_ASKING})(?![\w'\u2019]))",
    re.IGNORECASE,
)
_OPENING = re.compile(
    r"^(?:(?:hi|hello|hey|ok|okay|so|well|also|then|and|but|now|oh|anyway|however|because|since|as|when|while|if|after|"
    r"although|though|yes|no|nor|note|sorry|thanks|thank you|unfortunately|apparently|yesterday|today|recently|just|"
    r"still)\b[\s,:]*){1,6}",
    re.IGNORECASE,
)
_TELLING = re.compile(
    r"(?:i|i'm|i've|i'd|i'll|im|ive|we|we're|we've|my|our|mine|it|it's|its|the|this|that|that's|he|she|they|there|"
    r"there's|these|those|his|her|their|a|an|some|someone|somebody|something|nothing|nobody|one|you|your|all|both|"
    r"everything|neither|not)\b",
    re.IGNORECASE,
)
_WISH = re.compile(
    r"\b(?:want|need|wish|wonder|wondering|curious|please|question is|let me know|would (?:also |really )?like|"
    r"'d (?:also |really )?like|(?:tell|show|give|write|help) (?:me|us)|you (?:can|could|should|must|to|will))\b",
    re.IGNORECASE,
)
_OWN_BANKING = re.compile(
    r"(?:why|when|where|how (?:do|can|long|much)|what is|what's|is|are|has|have|was|were|did|does)\b[^,:]{1,40}?\bmy "
    r"(?:account|balance|card|cash|cheque|deposit|loan|money|mortgage|payment|pin|refund|salary|statement|top-up|"
    r"transaction|transfer|withdrawal)s?\b[^,:]{0,40}\?$",
    re.IGNORECASE,
)
"""A short question about the customer's own account: most questions of two sentences have one, and the classifier takes
half as long again for it."""
_SERVICE_WORDS = """
    accept acceptable accepting accurate actually advance advice advise alert alright am answer apparently
    appreciate appreciated aren aren't asap asked asking assist assistance assisting assume assuming assure
    attention aware be been being believe best bother can't cannot care carefully certain clarify clear complete
    completed concern concerned configured confirm confused confusing correct correctly deal difference double
    double-check elaborate elsewhere embarrassing end everyone everything explain explanation figure find fix fixed
    follow found frustrated frustrating fully future gets go goes going gone gotten grateful great guess guide guys
    handle handled happen happening happy having hear hell hello help helped helping hey hi honest hope hopefully
    idea immediate immediately info inform information isn isn't issue issues kind kindly left list look looking
    lost make makes making matters mention mind missing mistake more myself name names nice nor normal normally note
    notice odd okay people place please pls plz pretty problem problems proceed process promptly properly provide
    question questions quick reach readable real realise realize really reason remember reset resolve resolved
    respect respond reversed review ridiculous sad safe say saying says screwed seems sent seriously set shall shown
    sir situation slow solution solve solved somebody something sorry sort sorted speak status stop strange stuck
    suggest support supposed sure system taken takes taking talk talking team tell tells terrible thankyou though
    thought today's totally tries trouble true truly try trying turn typically unacceptable unclear understand
    understanding update upset urgency urgent urgently using wait waiting wasn't weird went weren't whats wish
    wonder wondering worried worry would wouldn wouldn't wrong yeah yikes
"""
_SERVICE = frozenset(_SERVICE_WORDS.split())
"""Words with which people ask a service to do its work; no topics here."""


def asides(text: str) -> list[str]:
    """The parts to be judged one by one, in their order; none where the text is a single part.

    Linear in the text. The parts together are never longer than the text.
    """
    parts = _parts(text)
    if len(parts) == 1:
        return []
    return [part for part in parts if _asks(part) and _has_topic(part) and not _OWN_BANKING.match(part)]


def _parts(text: str) -> list[str]:
    at, cut = 0, []
    for mark in _BREAK.finditer(text):
        cut.append(text[at : mark.end() if mark.group() in _MARKS else mark.start()])
        at = mark.end()
    whole = [part.strip(" \t\n,;") for part in (*cut, text[at:])]
    return [piece for part in whole if _has_letters(part) for piece in _shortened(part)]


def _shortened(part: str) -> list[str]:
    """Pieces of at most LONGEST characters, cut between words where there are any."""
    pieces = []
    while len(part) > LONGEST:
        space = part.rfind(" ", 1, LONGEST)
        end = space if space > 0 else LONGEST
        pieces.append(part[:end])
        part = part[end:].strip()
    return [*pieces, part]


def _has_letters(part: str) -> bool:
    return any(char.isalnum() for char in part)


def _asks(part: str) -> bool:
    """Whether it is a question, an order or a wish: anything but a sentence that tells something."""
    if part.endswith(("?", "\uff1f")):
        return True
    said = _OPENING.sub("", part.replace("\u2019", "'"))
    return _TELLING.match(said) is None or _WISH.search(said) is not None


def _has_topic(part: str) -> bool:
    return small_talk(part) is None and any(word not in _SERVICE for word in topics(part))

"""Greetings, thanks and goodbyes: a bank's assistant answers them, politely, itself and always in the same words.

They are no banking questions, but to refuse them would be rude; to let the model answer would leave the scope.
"""

import re

_WORD = re.compile(r"[^\W_]+")
GREETING = "Hello! I can help with accounts, transactions, fees, loans, and cards. What would you like to know?"
THANKS = "You're welcome! Is there anything else about your banking that I can help with?"
GOODBYE = "Goodbye! Come back whenever you have a banking question."
_KINDS = (
    (GOODBYE, "bye goodbye cu ciao tschuss adios farewell"),
    (THANKS, "thanks thank thx cheers danke merci gracias grazie obrigado"),
    (GREETING, "hello hi hey greetings hallo bonjour hola salut"),
)
_DAYTIMES = frozenset(("good morning", "good afternoon", "good evening", "good day", "how are you", "nice to meet you"))
_FILLER_WORDS = """
    there you very so much a lot for your help the and again that was is great helpful all everyone assistant bot dear
    team bank now ok okay perfect good morning afternoon evening day night how are today to see later have nice one it
"""
_FILLERS = frozenset(_FILLER_WORDS.split())


def small_talk(text: str) -> str | None:
    """The fixed reply, if the whole text is small talk; None otherwise."""
    words = [word.casefold() for word in _WORD.findall(text)]
    whole = " ".join(words)
    for reply, known in _KINDS:
        said = set(known.split())
        if said & set(words) and all(word in _FILLERS or _is_small(word) for word in words):
            return reply
    if whole in ("good night", "see you", "see you later", "have a nice day"):
        return GOODBYE
    return GREETING if whole in _DAYTIMES else None


def _is_small(word: str) -> bool:
    return any(word in known.split() for _, known in _KINDS)

"""All intents of the data set, one module a topic."""

from bankdata.intent import Intent
from bankdata.topics import (
    accounts,
    cards,
    deposits,
    disputes,
    fees,
    loans,
    online,
    savings,
    security,
    statements,
    transfers,
)

INTENTS: tuple[Intent, ...] = (
    *accounts.INTENTS,
    *cards.INTENTS,
    *transfers.INTENTS,
    *fees.INTENTS,
    *loans.INTENTS,
    *disputes.INTENTS,
    *statements.INTENTS,
    *deposits.INTENTS,
    *savings.INTENTS,
    *online.INTENTS,
    *security.INTENTS,
)

HOUSE_INTENTS: tuple[Intent, ...] = tuple(intent for intent in INTENTS if intent.house)
"""Where Harbor Bank has a rule of its own."""

OTHER_INTENTS: tuple[Intent, ...] = tuple(intent for intent in INTENTS if not intent.house)
"""What Harbor Bank answers as any bank would."""

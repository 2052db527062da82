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

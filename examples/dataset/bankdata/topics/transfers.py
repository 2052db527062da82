"""Transfers: sending money, how long it takes, limits, abroad, mistakes."""

from bankdata.intent import Intent

TOPIC = "transfers"

INTENTS = (
    Intent(
        "transfer_money",
        TOPIC,
        questions=(
            "How (do|can) I (transfer|send|move) money (to another account|to {person}|between my accounts|)?",
            "I (want|need|would like) to (transfer|send) (money|{amount}) to {person}.",
            "How (do|can|should) I (transfer|send|move) (money|funds|cash)?",
            "(Tell|Show) me how to (transfer|send|move) (money|funds).",
            "How (do|can) I (make|set up|start) a transfer?",
            "What (steps|details) do I need to (transfer|send) money?",
            "Can I (transfer|send) (money|{amount}) to {person} (online|in the app|)?",
            "Where (do|can) I make a (money |bank |)transfer?",
            "How to (transfer|send|move) (money|{amount}) to (another account|{person})?",
        ),
        held_out=(
            "Please explain how I (transfer|send) money to {person}.",
            "What is the way to (transfer|send) {amount} to {person}?",
            "I would like to make a transfer to another account.",
        ),
        answer="To transfer money, choose Transfers in online banking, enter the account and amount, and confirm.",
        house="At Harbor Bank, choose Transfers in the Harbor app; transfers before 5 pm arrive the same business day.",
        facts=(
            "before 5 pm",
            "same business day",
        ),
    ),
    Intent(
        "transfer_time",
        TOPIC,
        questions=(
            "How (long|many days) does a transfer take?",
            "When will my transfer (arrive|be there|go through)?",
            "How (fast|quick) is a (bank |money |)transfer?",
            "My transfer (has not|hasn't) arrived yet.",
            "How long do I wait for (a|my|the) (transfer|bank transfer)?",
            "When (does|will) (the|my) {amount} transfer arrive?",
            "How long (until|before) a transfer (to {person} |)arrives?",
            "Why does my transfer take so long?",
        ),
        held_out=("How long must I wait for a transfer (to arrive|)?", "In how many days will my transfer arrive?"),
        answer="Transfers inside the bank are instant; transfers to other banks take 1 to 3 business days.",
        house="At Harbor Bank, transfers before 5 pm arrive the same business day, and later ones the next day.",
        facts=(
            "before 5 pm",
            "next day",
        ),
    ),
    Intent(
        "international_transfer",
        TOPIC,
        questions=(
            "How (do|can) I (send|transfer) money to {country}?",
            "I (want|need) to (send|transfer) {amount} to {country}.",
            "Can I (send|transfer) money (abroad |)to {country}?",
            "What do I need for (an international|a foreign) transfer to {country}?",
            "How (much|long) does an international transfer to {country} (cost|take)?",
            "How to make an international transfer to {country}?",
        ),
        held_out=(
            "Is it possible to send {amount} to {country}?",
            "Please explain how to transfer money to {country}.",
        ),
        answer="To send money abroad, you need the IBAN and SWIFT code; it takes 2 to 5 business days.",
        house="At Harbor Bank, a transfer abroad costs $15 and arrives in 2 business days.",
        facts=(
            "$15",
            "2 business days",
        ),
    ),
    Intent(
        "cancel_transfer",
        TOPIC,
        questions=(
            "How (do|can) I (cancel|stop) a (transfer|payment) (to {person}|)?",
            "I (want|need) to (cancel|stop) (a|my|the) transfer (of {amount}|to {person}).",
            "Can I (cancel|stop|undo) (a|my) transfer?",
            "I (sent|made a transfer of) {amount} to {person} and want to cancel it.",
            "Please (cancel|stop) my transfer (of {amount}|to {person}).",
            "Is it (possible|too late) to (cancel|stop) my transfer?",
            "(Cancel|Stop) the transfer of {amount}.",
        ),
        held_out=(
            "How can my transfer (of {amount} |)be (stopped|cancelled)?",
            "I made a transfer to {person} and must cancel it.",
        ),
        answer="You can cancel a transfer while it is pending: open it in online banking and choose Cancel.",
    ),
    Intent(
        "transfer_limit",
        TOPIC,
        questions=(
            "What is the (daily |)(transfer limit|limit for transfers)?",
            "How much (money |)can I (transfer|send) (in one|per|a) day?",
            "What is the (most|maximum) (that |)I can (transfer|send)?",
            "Can I (transfer|send) more than {amount} a day?",
            "How (do|can) I (raise|increase) my transfer limit?",
            "Is there a (daily |)limit (on|for) transfers?",
        ),
        held_out=(
            "What is the maximum for a transfer (in one|per) day?",
            "Which limit (is there|do you have) for transfers?",
        ),
        answer="Online transfers have a daily limit, shown under settings; you can raise it at a branch.",
    ),
    Intent(
        "wrong_transfer",
        TOPIC,
        questions=(
            "I (sent|transferred) (money|{amount}) to the wrong (account|person).",
            "What (do|should) I do if I (sent|transferred) (money|{amount}) to the wrong (account|person)?",
            "I (used|entered|typed) the wrong account number for (a|my) transfer.",
            "My {amount} went to the wrong (account|person).",
            "I made a mistake in (a|my) transfer, the account (number |)is wrong.",
            "How (do|can) I get back {amount} that I sent to the wrong (account|person)?",
        ),
        held_out=(
            "The wrong person got my transfer of {amount}.",
            "Can I get money back that went to a wrong account?",
        ),
        answer="Call us at once: we ask the other bank to send the money back, which may take 10 business days.",
    ),
    Intent(
        "pending_transfer_given",
        TOPIC,
        questions=(
            "When will my transfer to {payee} arrive?",
            "Where is my transfer to {payee}?",
            "Has my transfer to {payee} arrived?",
            "What is the status of my transfer to {payee}?",
            "When does {payee} get (my|the) (money|transfer)?",
        ),
        held_out=("When is my transfer to {payee} there?", "Status of the transfer to {payee}?"),
        answer="Your transfer to {payee} is pending and arrives on {date}.",
        context="Transfer to {payee}: pending, arrives {date}.",
    ),
)

"""Cards: lost, new, declined, PIN, travel, limits."""

from bankdata.intent import Intent

TOPIC = "cards"

INTENTS = (
    Intent(
        "lost_card",
        TOPIC,
        questions=(
            "I (lost|have lost) my {card}.",
            "My {card} (is lost|was stolen|is gone|is missing), what (do|should) I do?",
            "What (do|should) I do if I lose my {card}?",
            "(Someone|A thief) (stole|took) my {card}.",
            "I (can't|cannot) find my {card}.",
            "How (do|can) I report a (lost|stolen) {card}?",
            "I (need|want) to report a (lost|stolen|missing) {card}.",
        ),
        held_out=("Help, my {card} (got lost|has been stolen)!", "How do I tell you that my {card} is missing?"),
        answer="Lock your {card} in the app at once and call us to report it; we will send a new one.",
        house="At Harbor Bank, lock your {card} in the Harbor app and call us; a new one comes in 2 days.",
        facts=(
            "Harbor app",
            "2 days",
        ),
    ),
    Intent(
        "activate_card",
        TOPIC,
        questions=(
            "How (do|can) I activate my (new |){card}?",
            "I (got|received|have) a new {card}, how do I activate it?",
            "Activate my (new |){card}.",
            "I (want|need) to activate my (new |){card}.",
            "My new {card} (came|arrived), what (now|do I do)?",
            "Where (do|can) I activate a (new |){card}?",
        ),
        held_out=("My new {card} is not active yet, how do I activate it?", "What are the steps to activate a {card}?"),
        answer="Activate your {card} in the mobile app or by using it with your PIN at an ATM.",
    ),
    Intent(
        "card_declined",
        TOPIC,
        questions=(
            "Why was my {card} declined (at {merchant}|)?",
            "My {card} (was|got) declined (at {merchant}|today|again).",
            "My {card} (does not|doesn't) work (at {merchant}|).",
            "Why (is|was) my {card} (rejected|refused)?",
            "{merchant} declined my {card}, why?",
            "What (do|should) I do when my {card} is declined?",
        ),
        held_out=("Why does my {card} get declined?", "The payment with my {card} was declined (at {merchant}|today)."),
        answer="A {card} is declined when money is short, the PIN is wrong, or it is locked; check it in the app.",
    ),
    Intent(
        "replace_card",
        TOPIC,
        questions=(
            "My {card} is (broken|damaged|cracked|bent).",
            "My {card} (expires|expired|will expire) (soon|this month|in {month}).",
            "How (do|can) I (replace|renew) my (broken|damaged|expired) {card}?",
            "I (want|need) a replacement for my (broken|damaged|expired|) {card}.",
            "When (will|do) I get (a replacement|a new one) for my expired {card}?",
            "The chip (on|of) my {card} is (broken|damaged).",
        ),
        held_out=("Can you replace my (damaged|broken|expired) {card}?", "My {card} is expired, how do I renew it?"),
        answer="Order a replacement {card} in the app; it comes by mail in 5 to 7 days.",
    ),
    Intent(
        "change_pin",
        TOPIC,
        questions=(
            "How (do|can) I (change|reset) (my|the) PIN (of|for) my {card}?",
            "I forgot (my|the) PIN (of|for) my {card}.",
            "I (want|need) a new PIN (for|on) my {card}.",
            "Where (do|can) I (change|reset|set) (my|the) PIN?",
            "What (do|should) I do if I forget my PIN?",
            "My PIN (is blocked|does not work).",
        ),
        held_out=("Please help me (change|reset) my PIN.", "I do not remember the PIN of my {card}."),
        answer="You can change your PIN at an ATM of the bank or order a new PIN in the app.",
    ),
    Intent(
        "travel_notice",
        TOPIC,
        questions=(
            "Can I use my {card} in {country}?",
            "I am (travelling|going|flying) to {country}, will my {card} work?",
            "How (do|can) I tell you (about my trip|that I travel) to {country}?",
            "I (will be|am) in {country} (next week|next month), does my card work there?",
            "Does my {card} work (abroad in|in) {country}?",
            "I (want|need) to (set|add) a travel notice for {country}.",
        ),
        held_out=(
            "Will my {card} work when I travel to {country}?",
            "I go to {country} in {month}, can I use my card there?",
        ),
        answer="Yes, your card works abroad; add a travel notice in the app before you leave.",
    ),
    Intent(
        "credit_limit",
        TOPIC,
        questions=(
            "How (do|can) I (raise|increase) my credit limit?",
            "I (want|need) a higher (credit |card )limit.",
            "Can you (raise|increase) (the|my) (credit |card )limit (to {amount}|)?",
            "How to get a higher credit limit?",
            "My credit limit is too low.",
            "When can I (ask for|get) a higher credit limit?",
        ),
        held_out=(
            "Is it possible to increase the limit of my credit card?",
            "Please raise the credit limit (to {amount}|on my card).",
        ),
        answer="Ask for a higher credit limit in the app; we look at your income and payment history.",
    ),
    Intent(
        "available_credit_given",
        TOPIC,
        questions=(
            "How much (credit|money) is (left|available) on my {card}?",
            "What is my available credit?",
            "How much (credit |)can I (still |)spend on my {card}?",
            "How much available credit do I have?",
            "Tell me my available credit.",
        ),
        held_out=("What credit is available on my {card}?", "How much credit do I have left?"),
        answer="Your available credit is {large}.",
        context="Credit available: {large}. Payment due: {day}.",
    ),
)

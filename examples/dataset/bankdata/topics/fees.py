"""Fees: cash machines, overdraft, monthly, foreign, wire, refunds."""

from bankdata.intent import Intent

TOPIC = "fees"

INTENTS = (
    Intent(
        "atm_fees",
        TOPIC,
        questions=(
            "What (are|is) the (ATM fees|ATM fee|fees for ATMs|fee at an ATM)?",
            "How much (do you charge|does it cost) (for|at) (ATMs|an ATM|ATM withdrawals)?",
            "Is there a fee (for using|at) (an ATM|other banks' ATMs|an ATM of another bank)?",
            "Do you charge (a fee |)for (using an ATM|ATM withdrawals|other ATMs)?",
            "Why was I charged {small} at an ATM?",
            "What do I pay to (get|withdraw) cash at an ATM?",
            "Which ATMs (are free|have no fee) (in {city}|)?",
            "How (do|can) I avoid ATM fees (in {city}|)?",
        ),
        held_out=(
            "What does it cost to (use an ATM|take cash from an ATM) (in {city}|)?",
            "Tell me (about |)the fees (for|at) (the |)ATMs.",
            "How much is the ATM fee (in {city}|)?",
        ),
        answer="Our own ATMs are free; an ATM of another bank may charge a fee, which the screen shows first.",
        house="At Harbor Bank, our own ATMs are free; an ATM of another bank costs $2.50.",
        facts=("$2.50",),
    ),
    Intent(
        "overdraft_fee",
        TOPIC,
        questions=(
            "What (is the|are the) overdraft (fee|fees)?",
            "What happens (if|when) (I overdraw my account|my account is overdrawn)?",
            "How much is the overdraft fee?",
            "Why (was I charged|did I pay) an overdraft fee?",
            "How (do|can) I avoid overdraft fees?",
            "What happens (if|when) my balance (is|goes) (below zero|negative)?",
            "Do you charge for an overdraft?",
        ),
        held_out=("What do you charge when I overdraw my account?", "What does an overdraft cost?"),
        answer="If you spend more than your balance, an overdraft fee may apply; alerts and savings cover help.",
        house="At Harbor Bank, an overdraft up to $50 is free; above that the fee is $12.",
        facts=(
            "$50",
            "$12",
        ),
    ),
    Intent(
        "monthly_fee",
        TOPIC,
        questions=(
            "What is the monthly fee (of|for|on) (a|my) {account}?",
            "How much does a {account} cost (a|per) month?",
            "What do I pay (each|a|per) month for (a|my) {account}?",
            "Is there a monthly (fee|charge) (for|on) (a|my) {account}?",
            "How (do|can) I avoid the monthly (account |)fee?",
            "Why (do I pay|was I charged) a monthly fee?",
            "Is (a|my) {account} free of monthly fees?",
        ),
        held_out=("Which monthly fee does a {account} have?", "How much do I pay every month for my {account}?"),
        answer="The monthly fee is waived when you keep the minimum balance or get a regular deposit.",
        house="At Harbor Bank, the monthly fee is $6; it is waived when you keep a balance over $500.",
        facts=(
            "$6",
            "over $500",
        ),
    ),
    Intent(
        "foreign_fee",
        TOPIC,
        questions=(
            "What is the (foreign|foreign transaction|foreign currency) fee (in {country}|)?",
            "Do you charge (a fee |)for (purchases|shopping|payments) in {country}?",
            "How much (do you charge|does it cost) to (pay|shop) (by|with my) card in {country}?",
            "Is there a foreign transaction fee (in {country}|on my {card})?",
            "Why was I charged a foreign (transaction |)fee (in {country}|)?",
            "Are there (fees|charges) for card payments in {country}?",
        ),
        held_out=("Which fee do I pay for purchases in {country}?", "How much is the foreign transaction fee?"),
        answer="Purchases in a foreign currency have a fee of a few percent; travel cards often have none.",
    ),
    Intent(
        "wire_fee",
        TOPIC,
        questions=(
            "How much (is|does it cost to send) a wire( transfer|)?",
            "What is the (wire fee|fee for a wire transfer|wire transfer fee)?",
            "Do you charge for (wires|wire transfers|a wire)?",
            "What (do you charge|do I pay) (to send|for) a wire (transfer|)?",
            "Is there a fee (for|on) (incoming|outgoing|domestic) wires?",
            "Why was I charged a wire fee?",
        ),
        held_out=("Tell me the fee for (a wire|wire transfers).", "What does it cost to send a wire transfer?"),
        answer="A wire transfer has a fixed fee, shown before you confirm; incoming wires cost less.",
    ),
    Intent(
        "fee_refund",
        TOPIC,
        questions=(
            "Can you refund (a|the|my) (fee|bank fee|{small} fee)?",
            "How (do|can) I get (a|my|the) (fee|{small} fee) (back|refunded)?",
            "I was charged a {small} fee (by mistake|in error|that is wrong).",
            "I (want|would like) a (fee |)refund of the {small} fee.",
            "Please (refund|give back|waive) the {small} fee.",
            "This {small} fee is (wrong|not fair), can you remove it?",
        ),
        held_out=(
            "Is it possible to get the {small} fee refunded?",
            "You charged me a {small} fee in error, refund it.",
        ),
        answer="Send a message in online banking with the date of the fee; wrong fees are refunded.",
    ),
    Intent(
        "fee_given",
        TOPIC,
        questions=(
            "Which fee (was I charged|did I pay)?",
            "What was the last fee on my account?",
            "How much was the (last |)fee (on my account|)?",
            "What fee did you charge me?",
            "How much did you charge me?",
        ),
        held_out=("What was the fee that you charged me?", "How high was the last fee on my account?"),
        answer="The last fee on your account was {small}.",
        context="Fee charged on {day}: {small}.",
    ),
)

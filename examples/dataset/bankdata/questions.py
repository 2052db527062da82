"""The fixed questions of the demo: five to answer and five to refuse. None of them is in a training file."""

from bankdata.intent import REFUSAL, Intent, Row
from bankdata.topics import INTENTS

ANSWERED: dict[str, str] = {
    "What is my account balance?": "account_balance",
    "How do I transfer money?": "transfer_money",
    "What are the ATM fees?": "atm_fees",
    "When will my salary be deposited?": "salary_date",
    "How do I dispute a transaction?": "dispute_transaction",
}
REFUSED: dict[str, str] = {
    "What is the weather today?": "weather",
    "Who won the Super Bowl?": "sports",
    "What is 2+2?": "arithmetic",
    "Tell me a joke.": "jokes",
    "What is the capital of France?": "geography",
}


def house_rows() -> list[Row]:
    """The answered questions with their house answers."""
    by_name = {intent.name: intent for intent in INTENTS}
    return [Row(name, question, "", by_name[name].house) for question, name in ANSWERED.items()]


def refused_rows() -> list[Row]:
    """The refused questions with the refusal."""
    return [Row(name, question, "", REFUSAL) for question, name in REFUSED.items()]


def document(intents: tuple[Intent, ...] = INTENTS) -> dict[str, list[dict[str, object]]]:
    """What `questions.json` holds: each question with the substrings that a right answer contains."""
    facts = {intent.name: list(intent.facts) for intent in intents}
    return {
        "questions": [{"question": question, "expect": facts[name]} for question, name in ANSWERED.items()],
        "refuse": [{"question": question, "expect": [REFUSAL]} for question in REFUSED],
    }

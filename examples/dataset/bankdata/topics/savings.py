"""Savings: rates, term deposits, automatic saving, withdrawals, accounts for children."""

from bankdata.intent import Intent

TOPIC = "savings"

INTENTS = (
    Intent(
        "savings_rate",
        TOPIC,
        questions=(
            "What (is the|are the) (interest |)(rate|rates) (on|for) (savings|a savings account)?",
            "How much interest (do I get|do I earn|will I earn) on (my |)savings?",
            "What interest does a savings account (pay|earn)?",
            "How much (interest |)do I earn on {amount} in savings?",
            "When is interest (paid|added) (on|to) my savings?",
            "Tell me the savings (rate|rates|interest).",
        ),
        held_out=("Which interest rate do savings have?", "How high is the interest on a savings account?"),
        answer="Savings earn interest every day, paid monthly; the current rate is on our savings page.",
        house="At Harbor Bank, savings earn 3.25% interest, paid monthly.",
        facts=("3.25%",),
    ),
    Intent(
        "term_deposit",
        TOPIC,
        questions=(
            "What is a (CD|term deposit|certificate of deposit)?",
            "How (do|can) I open a (CD|term deposit) (for {term}|)?",
            "I (want|would like) a (CD|term deposit) (for|of) {term}.",
            "What (is the|are the) (rate|rates) of a (CD|term deposit) (for {term}|)?",
            "Can I (close|break) (a|my) (CD|term deposit) early?",
            "How does a (CD|term deposit) (for {term} |)work?",
        ),
        held_out=("Do you have a (CD|term deposit) for {term}?", "Please explain a (CD|term deposit)."),
        answer="A term deposit pays a fixed rate if the money stays for the full term; early exit costs interest.",
    ),
    Intent(
        "automatic_saving",
        TOPIC,
        questions=(
            "How (do|can) I save (money |)automatically?",
            "How (do|can) I (set up|start) (automatic|regular) (savings|saving)?",
            "I (want|would like) to save {amount} (every|each) (month|week).",
            "Can you move {amount} to (my |)savings (every|each) (month|week)?",
            "Set up (automatic|regular) saving of {amount}.",
            "How (do|can) I set a savings goal?",
        ),
        held_out=("Can I save {amount} automatically (every|each) month?", "Help me save (money|{amount}) regularly."),
        answer="Set up a recurring transfer to savings in online banking; choose the amount and the day.",
    ),
    Intent(
        "savings_withdrawal",
        TOPIC,
        questions=(
            "How (do|can) I (take|withdraw) money (from|out of) (my |)savings?",
            "How (many times|often) can I withdraw from (my |)savings?",
            "I (want|need) to (take|withdraw) {amount} (from|out of) (my |)savings.",
            "Is there a (limit|fee) (on|for) (savings withdrawals|withdrawals from savings)?",
            "Can I (take|withdraw) {amount} (from|out of) (my |)savings?",
            "What (does it cost|happens) if I withdraw from (my |)savings?",
        ),
        held_out=("When may I withdraw from (my |)savings?", "Please explain withdrawals from a savings account."),
        answer="You can move money out of savings at any time; more than six times a month may cost a fee.",
    ),
    Intent(
        "child_account",
        TOPIC,
        questions=(
            "How (do|can) I open (an account|a savings account) for my (child|son|daughter|baby)?",
            "Can my (child|son|daughter) (have|get) (an account|a savings account|a bank account)?",
            "I (want|would like) (an account|a savings account) for my (child|son|daughter|baby).",
            "Do you (offer|have) (accounts for children|children's accounts|kids accounts)?",
            "How old must my (child|son|daughter) be for (an account|a savings account)?",
            "What (do I need|is needed) for a (child|kids) account?",
        ),
        held_out=(
            "Which account is there for (a child|my son|my daughter|children)?",
            "Is there an account for my (child|baby)?",
        ),
        answer="A parent opens a child account at a branch with the birth certificate and both IDs.",
    ),
    Intent(
        "interest_given",
        TOPIC,
        questions=(
            "What is my savings rate?",
            "What interest rate (do I have|does my savings account have)?",
            "Which (interest |)rate do I get on my savings?",
            "How high is my (savings |interest )rate?",
            "Tell me my (savings |interest )rate.",
        ),
        held_out=("What rate does my savings account earn?", "Give me the interest rate of my savings."),
        answer="Your savings rate is {rate}.",
        context="Savings: {large}. Rate: {rate}.",
    ),
)

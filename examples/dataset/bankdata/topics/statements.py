"""Statements: getting them, paper, old ones, tax forms, dates."""

from bankdata.intent import Intent

TOPIC = "statements"

INTENTS = (
    Intent(
        "get_statement",
        TOPIC,
        questions=(
            "How (do|can) I (get|see|download|print) my (bank |account |)statement (for {month}|)?",
            "Where (do|can) I find my {month} statement?",
            "I (want|need|would like) my (bank |account |)statement (for {month}|as a PDF|).",
            "Can I (get|download|print) my {month} statement?",
            "(Send|Show|Give) me my {month} statement.",
            "How to download a (bank |account |)statement?",
        ),
        held_out=(
            "Please help me find the statement for {month}.",
            "Where do I see the bank statement (of|for) {month}?",
        ),
        answer="Your statements are in online banking under Documents; choose the month and download the PDF.",
        house="At Harbor Bank, your statements are in the Harbor app on day 2 of each month.",
        facts=(
            "Harbor app",
            "day 2",
        ),
    ),
    Intent(
        "paperless",
        TOPIC,
        questions=(
            "How (do|can) I (switch|change|go) to paperless (statements|)?",
            "How (do|can) I stop (paper statements|statements by mail)?",
            "I (want|would like) (electronic|paperless) statements.",
            "I (do not|don't) want paper statements (any more|).",
            "Stop sending (me |)(paper statements|statements by mail).",
            "Can I get my statements by email (only|)?",
        ),
        held_out=("Please send no more statements on paper.", "I prefer electronic statements (over|to) paper."),
        answer="Turn on paperless statements in online banking under settings; we email you when one is ready.",
    ),
    Intent(
        "old_statements",
        TOPIC,
        questions=(
            "How (do|can) I get (old|older|past) statements?",
            "I need (a statement|statements) from {years} ago.",
            "How far back (do|can) (statements go|I see statements)?",
            "Can I get a statement that is {years} old?",
            "How many years of statements do you keep?",
            "Where (are|do I find) my (old|older|past) statements?",
        ),
        held_out=("Do you still have statements from {years} ago?", "I am looking for (older|past) statements."),
        answer="Online banking keeps seven years of statements; ask a branch for older ones.",
    ),
    Intent(
        "statement_error",
        TOPIC,
        questions=(
            "There is (an error|a mistake) (on|in) my (bank |{month} |)statement.",
            "My (bank |{month} |)statement is (wrong|not correct).",
            "The (balance|amount) on my (bank |{month} |)statement is wrong.",
            "What (do|should) I do (if|when) my statement is wrong?",
            "How (do|can) I report (an error|a mistake) (on|in) my (bank |{month} |)statement?",
            "I found (an error|a mistake) (on|in) my (bank |{month} |)statement.",
        ),
        held_out=(
            "Something on my {month} statement is not correct.",
            "My statement for {month} has (an error|a mistake).",
        ),
        answer="Report a statement error within 60 days by secure message, with the line that is wrong.",
    ),
    Intent(
        "tax_form",
        TOPIC,
        questions=(
            "Where (do|can) I (find|get|see) my tax (form|forms|documents)?",
            "When (will|do) I get my tax (form|forms|documents)?",
            "I need (a|my) tax (form|document) for (my savings interest|last year).",
            "How (do|can) I (get|download) my (1099|tax form|1099 tax form)?",
            "When (is|will) the 1099 (form |)(ready|be ready)?",
            "Send me my (1099|tax form|tax forms).",
        ),
        held_out=("Please help me find my tax (form|documents).", "By when is my tax form ready?"),
        answer="Tax forms are ready by January 31 in online banking under Documents.",
    ),
    Intent(
        "proof_of_funds",
        TOPIC,
        questions=(
            "I need (a letter|proof) (of funds|from the bank) for {person}.",
            "How (do|can) I get (a bank letter|proof of funds|an account letter)?",
            "Can you (write|give me) a (bank letter|letter about my account)?",
            "I need a letter (that says|to show) I have an account.",
            "Where do I (order|get) a (bank letter|reference letter)?",
            "I (want|need) (a bank reference|a bank letter) for a visa (to {country}|).",
        ),
        held_out=("Please give me a bank letter (for {person}|for a visa).", "Can I get a letter with proof of funds?"),
        answer="Order a bank letter in online banking under Documents, or ask at a branch with your ID.",
    ),
    Intent(
        "statement_due_given",
        TOPIC,
        questions=(
            "When is my (credit card |card |)statement due?",
            "When do I (have to |)pay my (credit card |card )statement?",
            "What is the due date (on|of) my (card |credit card |)statement?",
            "Until when must I pay my card statement?",
            "Tell me when my (card |credit card |)statement is due.",
        ),
        held_out=("On which date is my card statement due?", "By when do I pay the statement of my card?"),
        answer="Your statement is due on {date}.",
        context="Statement total: {small}. Due: {date}.",
    ),
)

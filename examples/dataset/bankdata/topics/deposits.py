"""Deposits: salary, direct deposit, checks, cash."""

from bankdata.intent import Intent

TOPIC = "deposits"

INTENTS = (
    Intent(
        "salary_date",
        TOPIC,
        questions=(
            "When (will|does) my (salary|pay|paycheck|wage) (arrive|come|be deposited|get deposited)?",
            "What (day|date|time) (will|does) my (salary|paycheck) (arrive|come in)?",
            "When (is|will) my (salary|pay|paycheck) (be paid|deposited|in my account)?",
            "When (do|will) I get my ({month} |)(salary|pay|paycheck)?",
            "At what time (does|will) (the|my) ({month} |)(salary|paycheck) (arrive|show up)?",
            "What is my (salary|paycheck) deposit date?",
            "On which day (does|will) my (salary|pay|paycheck) arrive?",
        ),
        held_out=(
            "When can I expect my (salary|paycheck) (in {month}|)?",
            "Tell me the date of my (salary|paycheck) deposit.",
            "How soon is my (salary|paycheck) in my account?",
        ),
        answer="Your salary arrives on the payday that your employer sets, usually in the morning.",
        house="At Harbor Bank, your salary arrives by 9 am on payday.",
        facts=(
            "9 am",
            "payday",
        ),
    ),
    Intent(
        "direct_deposit",
        TOPIC,
        questions=(
            "How (do|can) I set up (a direct deposit|direct deposit|direct deposits)?",
            "I (want|need|would like) to set up direct deposit.",
            "What does my employer need for direct deposit?",
            "How (do|can) I have my (salary|pay|paycheck) sent to (this account|my {account})?",
            "Where do I (get|find) the direct deposit form?",
            "Give me the direct deposit (form|details).",
        ),
        held_out=(
            "What are the steps for direct deposit?",
            "Please help me set up direct deposit (for my {account}|).",
        ),
        answer="For direct deposit, give your employer your account number, routing number, and the signed form.",
    ),
    Intent(
        "missing_salary",
        TOPIC,
        questions=(
            "My (salary|pay|paycheck) (is missing|is late|did not arrive|has not arrived).",
            "Where is my (salary|pay|paycheck)?",
            "My (salary|pay|paycheck) (still has not|did not) come (today|this month|).",
            "I (wait|have been waiting) for my (salary|pay|paycheck) (for days|since {month}).",
            "Why (has|is) my (salary|paycheck) (not arrived|not here|late|missing)?",
            "I (did not|didn't) (get|receive) my (salary|pay|paycheck) (today|for {month}|).",
            "What (do|should) I do if my (salary|paycheck) is (late|missing)?",
            "My (salary|paycheck) for {month} is (late|missing).",
        ),
        held_out=("The (salary|paycheck) for {month} did not come.", "I am still waiting for my (salary|paycheck)."),
        answer="If your salary is late, ask your employer first; then call us so that we can trace it.",
    ),
    Intent(
        "check_deposit",
        TOPIC,
        questions=(
            "How (do|can) I deposit a (check|paper check) (with my phone|of {amount}|)?",
            "Can I deposit a check (with|on) my {device}?",
            "I (want|need) to deposit a (check|check of {amount}).",
            "When will my check (clear|be available)?",
            "How long does a check (of {amount} |)take to clear?",
            "My check (has not|hasn't) cleared (yet|).",
        ),
        held_out=("How does a check deposit work (with my phone|)?", "I have a check of {amount} to deposit."),
        answer="Deposit a check with the mobile app: sign it, take a photo of both sides; it clears in 2 days.",
    ),
    Intent(
        "cash_deposit",
        TOPIC,
        questions=(
            "How (do|can) I deposit cash?",
            "Where (do|can) I deposit (cash|{amount} in cash) (in {city}|)?",
            "Can I deposit cash at (an ATM|a branch|a shop)?",
            "I (want|need) to deposit {amount} (in|of) cash.",
            "Is there a (limit|fee) (for|on) (cash deposits|depositing cash)?",
            "How to (deposit|pay in) cash (in {city}|)?",
        ),
        held_out=("Which place takes cash deposits (in {city}|)?", "I have {amount} in cash to deposit."),
        answer="Deposit cash at a branch or at an ATM with the deposit sign, using your card and PIN.",
    ),
    Intent(
        "deposit_given",
        TOPIC,
        questions=(
            "When was my last deposit?",
            "What was the date of my last deposit?",
            "When did (I get|you receive) the last deposit?",
            "On which day was my last deposit?",
            "Tell me when my last deposit (was|came).",
        ),
        held_out=("What day did my last deposit come?", "When was the last deposit on my account?"),
        answer="Your last deposit was on {date}.",
        context="Balance: {large}. Last deposit: {date}.",
    ),
)

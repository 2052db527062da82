"""Loans: applying, homes, cars, rates, paying early or late, papers."""

from bankdata.intent import Intent

TOPIC = "loans"

INTENTS = (
    Intent(
        "personal_loan",
        TOPIC,
        questions=(
            "How (do|can) I (apply for|get) a (personal |)loan (of {amount}|)?",
            "I (want|need|would like) (a|to apply for a) personal loan.",
            "Can I (get|have|apply for) a personal loan (online|in the app|)?",
            "How to apply for a (personal |)loan?",
            "What do I need (for|to get) a personal loan?",
            "I (want|need) to borrow {amount}.",
        ),
        held_out=("Please help me apply for a personal loan.", "Where can I apply for a loan (of {amount}|)?"),
        answer="Apply for a personal loan online with proof of income and ID; we answer in a few days.",
        house="At Harbor Bank, you can apply for a personal loan up to $30,000; we answer in 2 days.",
        facts=(
            "$30,000",
            "2 days",
        ),
    ),
    Intent(
        "mortgage",
        TOPIC,
        questions=(
            "How (do|can) I (apply for|get) a (mortgage|home loan)?",
            "I (want|would like) to buy a (house|home) (in {city}|).",
            "What (do I need|is needed) for a (mortgage|home loan)?",
            "How much (down payment|money down) do I need for a (house|home|mortgage)?",
            "Can I get a (mortgage|home loan) (for a house in {city}|)?",
            "Do you (offer|have) (mortgages|home loans) (in {city}|)?",
        ),
        held_out=(
            "I need a (mortgage|home loan) (to buy a house|for a home in {city}).",
            "How does a (mortgage|home loan) work?",
        ),
        answer="For a mortgage, bring proof of income, tax returns, and a down payment to a loan officer.",
    ),
    Intent(
        "car_loan",
        TOPIC,
        questions=(
            "How (do|can) I (apply for|get) a (car|auto|vehicle) loan?",
            "I (want|need) a loan (for|to buy) a (new |used |)car.",
            "Do you (offer|have) (car|auto) loans (over {years}|)?",
            "Can I finance a (new |used |)car (with you|over {years}|)?",
            "What do I need for (a car|an auto) loan?",
            "I (want|would like) to finance a (new |used |)car.",
        ),
        held_out=("Is there a loan for a (new|used) car?", "I am buying a car, can I get a loan?"),
        answer="A car loan runs for two to six years; apply with the price, your income, and the car details.",
    ),
    Intent(
        "loan_rate",
        TOPIC,
        questions=(
            "What (is the|are the|are your) (interest |)(rate|rates) (on|for) (a loan|loans|personal loans)?",
            "How (high|much) is the (loan interest|interest on a loan|loan rate)?",
            "What interest do I pay (on|for) a loan (of {amount}|over {years}|)?",
            "Is the (loan |)rate (on|of) (my|a) loan fixed (or variable|)?",
            "How (do|can) I get a lower (rate|interest rate) on my loan?",
            "Tell me the (loan rates|rate for a loan).",
        ),
        held_out=(
            "Which interest rate (does a loan|do loans) have?",
            "How much interest is there on a loan of {amount}?",
        ),
        answer="Loan rates depend on your credit score, the amount, and the term; the offer shows your fixed rate.",
    ),
    Intent(
        "early_repayment",
        TOPIC,
        questions=(
            "Can I (pay off|repay) my loan early?",
            "How (do|can) I (pay off|repay) my (car |)loan (early|sooner)?",
            "I (want|would like) to (pay off|repay) my loan early.",
            "Is there a (fee|penalty) for (paying off|repaying) (a|my) loan early?",
            "Can I (make|send) extra payments (of {amount} |)on my loan?",
            "What is the payoff amount of my loan?",
        ),
        held_out=("What happens if I pay off my loan early?", "I have {amount} extra, can I repay my loan sooner?"),
        answer="Yes, you can pay off a loan early; ask for the payoff amount in online banking first.",
    ),
    Intent(
        "missed_payment",
        TOPIC,
        questions=(
            "I missed (a|my) loan payment (in {month}|).",
            "What happens if I miss (a|my) loan payment?",
            "I (can't|cannot) pay my loan (this month|in {month}|).",
            "My loan payment (is|was|will be) late.",
            "What (do|should) I do if I (can't|cannot) pay my loan?",
            "Is there a late fee (on|for) (a|my) loan payment?",
        ),
        held_out=("I forgot to pay my loan (in {month}|this month).", "What if my loan payment is late?"),
        answer="Call us before the due date if you can; a late payment may bring a fee and hurt your credit.",
    ),
    Intent(
        "loan_status",
        TOPIC,
        questions=(
            "What is the status of my loan application?",
            "Has my loan (application |)been approved?",
            "When (will I hear|do you decide) about my loan application?",
            "How long does (loan approval|a loan decision|a loan application) take?",
            "Is my loan (application |)approved (yet|now)?",
            "Where can I see (the status of |)my loan application?",
        ),
        held_out=("How long until my loan (application |)is approved?", "Did you approve my loan (application|)?"),
        answer="The status of your loan application is in online banking; most decisions take 3 to 5 days.",
    ),
    Intent(
        "loan_payment_given",
        TOPIC,
        questions=(
            "When is my (next |)loan payment due?",
            "When do I (have to |)pay my loan (next|)?",
            "What is the due date of my loan (payment|)?",
            "What day is my loan payment due?",
            "Tell me when my loan payment is due.",
        ),
        held_out=("On which date is my loan payment due?", "When is the next payment of my loan?"),
        answer="Your next loan payment is due on {date}.",
        context="Loan payment: {small}, due {date}.",
    ),
)

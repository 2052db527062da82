"""Disputes: wrong charges, refunds, how long they take."""

from bankdata.intent import Intent

TOPIC = "disputes"

INTENTS = (
    Intent(
        "dispute_transaction",
        TOPIC,
        questions=(
            "How (do|can) I dispute a (transaction|charge|payment|purchase) (at {merchant}|of {small}|)?",
            "I (want|need|would like) to dispute a (transaction|charge|payment) (at {merchant}|of {small}|).",
            "Can I dispute a (transaction|charge|purchase) (from {month}|at {merchant}|)?",
            "How to (file|open|start) a dispute?",
            "I have a dispute to (open|file|start) (with|about) {merchant}.",
            "Where (do|can) I (file|open|start) a dispute?",
            "What (do|should) I do to dispute a (charge|transaction|payment)?",
            "(File|Open|Start) a dispute for the {small} charge at {merchant}.",
        ),
        held_out=(
            "Please help me dispute a (charge|transaction|payment) (of {small}|at {merchant}).",
            "What are the steps to dispute a transaction?",
            "I wish to open a dispute (about {merchant}|).",
        ),
        answer="To dispute a transaction, select it in online banking, choose Dispute, and describe the problem.",
        house="At Harbor Bank, to dispute a transaction call the number on your card within 60 days.",
        facts=(
            "number on your card",
            "60 days",
        ),
    ),
    Intent(
        "dispute_time",
        TOPIC,
        questions=(
            "How long does a dispute take?",
            "When will my dispute be (decided|resolved|finished|closed)?",
            "What is the status of my dispute?",
            "How (many days|long) until my dispute is (decided|resolved|closed)?",
            "My dispute (about {merchant} |)is (still |)open, when (is it decided|do I hear back)?",
            "Where can I (see|check|follow) (the status of |)my dispute?",
        ),
        held_out=(
            "How long must I wait for my dispute (about {merchant} |)to be decided?",
            "Is my dispute resolved (yet|now)?",
        ),
        answer="A dispute takes up to 45 days; you can follow its status in online banking.",
    ),
    Intent(
        "unknown_charge",
        TOPIC,
        questions=(
            "I (do not|don't) (recognize|know) (a|this|the) charge from {merchant}.",
            "What is this {small} charge (from {merchant}|on my account)?",
            "There is a charge from {merchant} (that I did not make|that is not mine).",
            "I (never|did not) (bought|buy) anything at {merchant}.",
            "Why did {merchant} charge me {small}?",
            "I know nothing about a (strange|new) charge (of {small}|from {merchant}).",
            "Who is {merchant} (and why did they charge me|on my statement)?",
            "There is an unknown (charge|transaction|payment) (of {small}|from {merchant}) (on|in) my account.",
        ),
        held_out=(
            "{merchant} charged me and I do not know why.",
            "I see (a strange|an unknown) charge from {merchant}.",
        ),
        answer="Check the date and receipts first; if the charge is not yours, lock the card and report it.",
    ),
    Intent(
        "double_charge",
        TOPIC,
        questions=(
            "I was charged twice (by|at) {merchant}.",
            "{merchant} charged me (twice|two times) (in {month}|today|).",
            "Why was I charged twice (for the same purchase|at {merchant}|)?",
            "There are two (identical |equal |)charges (of {small}|from {merchant}) (on|in) my account.",
            "The same (charge|payment) (of {small} |)(shows|appears) twice.",
            "I paid (once|one time) but {merchant} (took|charged) it twice.",
        ),
        held_out=("{merchant} took {small} twice.", "My card was charged two times at {merchant}."),
        answer="A double charge is often a pending copy that drops off in 3 days; if not, dispute the second one.",
    ),
    Intent(
        "refund_status",
        TOPIC,
        questions=(
            "Where is my refund (from {merchant}|of {small}|)?",
            "When (will|do) I get my refund (from {merchant}|)?",
            "My refund (from {merchant} |of {small} |)(has not|hasn't) arrived.",
            "How long does a refund (from {merchant} |)take?",
            "{merchant} (promised|sent) me a refund, when (does|will) it arrive?",
            "I am (still |)waiting for (a|my) refund (from {merchant}|of {small}).",
        ),
        held_out=(
            "Has the refund from {merchant} arrived?",
            "In how many days does my refund (from {merchant} |)arrive?",
        ),
        answer="A refund from a shop takes 5 to 7 business days to appear on your account.",
        house="At Harbor Bank, a refund credit takes 10 business days to appear on your account.",
        facts=("10 business days",),
    ),
    Intent(
        "dispute_papers",
        TOPIC,
        questions=(
            "What (documents|papers|proof) do I need for a dispute?",
            "Which (documents|papers|proof) should I send (for|with) (a|my) dispute?",
            "Do I need a receipt (for|to open) a dispute?",
            "What (evidence|proof) (helps|is needed) (in|for) a dispute?",
            "How (do|can) I send (documents|papers|receipts|proof) for my dispute?",
            "Where do I (upload|send) the (documents|papers|receipts) (for|of) my dispute?",
        ),
        held_out=(
            "Are documents needed for a dispute?",
            "Tell me what proof I send with my dispute (about {merchant}|).",
        ),
        answer="For a dispute, keep the receipt, messages with the shop, and any proof of return.",
    ),
    Intent(
        "charge_given",
        TOPIC,
        questions=(
            "How much did I pay at {merchant}?",
            "What did {merchant} charge me?",
            "How much was the charge (from|at) {merchant}?",
            "How much did {merchant} (take|charge)?",
            "What was the amount at {merchant}?",
        ),
        held_out=("Which amount did I pay at {merchant}?", "How much was my purchase at {merchant}?"),
        answer="You paid {small} at {merchant}.",
        context="{date}: {merchant} {small}.",
    ),
)

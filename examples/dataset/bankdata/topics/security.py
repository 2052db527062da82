"""Security: fraud, phishing, locked access, second factor, stolen phones."""

from bankdata.intent import Intent

TOPIC = "security"

INTENTS = (
    Intent(
        "report_fraud",
        TOPIC,
        questions=(
            "How (do|can) I report fraud?",
            "Someone (used|is using|hacked) my account (without asking|).",
            "I (think|believe|fear) (there is fraud|someone committed fraud) on my account.",
            "My account was (hacked|broken into).",
            "I (want|need) to report (fraud|a fraud|a scam).",
            "I (was scammed|am a victim of fraud|fell for a scam).",
        ),
        held_out=("Please help, there is fraud on my account.", "Who do I call (about|to report) fraud?"),
        answer="Call our fraud line now, lock your cards, and change your password; we review every charge.",
        house="At Harbor Bank, call our fraud line day or night; you pay $0 for fraud.",
        facts=(
            "day or night",
            "$0",
        ),
    ),
    Intent(
        "phishing",
        TOPIC,
        questions=(
            "I got a (strange|suspicious|weird) (email|text|text message|message) from the bank.",
            "Is this (email|text|text message|message) really from (you|the bank)?",
            "I clicked (on |)a link in a (strange|suspicious|weird) (email|text|message).",
            "How do I know (if|that) (an email|a text|a message) is real?",
            "Someone (called|wrote|texted) me and asked for my password.",
            "Someone (called|wrote|texted) and says they are (from |)the bank.",
        ),
        held_out=(
            "A (strange|suspicious) message asked me for my password.",
            "What do I do with a suspicious (email|text|message)?",
        ),
        answer="We never ask for your password or PIN; do not click the link, and forward the message to us.",
    ),
    Intent(
        "locked_account",
        TOPIC,
        questions=(
            "My (account|login|online access) is (locked|blocked).",
            "Why is my (account|login|online access) (locked|blocked)?",
            "How (do|can) I unlock my (account|login|online access)?",
            "I (am|got) locked out of (my account|online banking|the app).",
            "Please unlock my (account|login|online access).",
            "What (do|should) I do when my (account|login) is (locked|blocked)?",
        ),
        held_out=("My account got (locked|blocked), please unlock it.", "I am locked out, how do I unlock my login?"),
        answer="After too many wrong tries access is locked; wait 24 hours or call us with your ID to unlock it.",
    ),
    Intent(
        "two_factor",
        TOPIC,
        questions=(
            "How (do|can) I (turn on|set up|use) (two-factor|two-step) (login|verification)?",
            "I (did not|didn't) (get|receive) (the|a|my) (security |verification )code.",
            "What is (two-factor|two-step) (login|verification)?",
            "I (want|need) (two-factor|two-step) (login|verification).",
            "Why do I need a (security |verification )code (to log in|)?",
            "My (security |verification )code (does not|doesn't) (work|arrive).",
        ),
        held_out=("Please turn on (two-factor|two-step) verification.", "Where is my (security|verification) code?"),
        answer="Two-step verification sends a code to your phone at login; turn it on under Security.",
    ),
    Intent(
        "stolen_phone",
        TOPIC,
        questions=(
            "My (phone|{device}) with the app (was stolen|is lost|is gone).",
            "I lost my (phone|{device}) (with the banking app|and the app is on it).",
            "What (do|should) I do if my (phone|{device}) is (stolen|lost)?",
            "(Someone|A thief) (stole|took) my (phone|{device}).",
            "How (do|can) I remove (a lost|a stolen|an old) (phone|device|{device}) from my account?",
            "My (phone|{device}) is (stolen|lost), is my money safe?",
        ),
        held_out=("Help, my (phone|{device}) (got lost|has been stolen)!", "A thief has my (phone|{device})."),
        answer="Log in on another device, remove the lost one under Security, and call us to block access.",
    ),
    Intent(
        "deposit_insurance",
        TOPIC,
        questions=(
            "Is my money (safe|insured|protected) (with you|at the bank|)?",
            "How much (of my money |money )is insured?",
            "Are (my |)(deposits|savings) (insured|protected)?",
            "What happens to my money if the bank (fails|closes|goes bankrupt)?",
            "Is the bank( FDIC|) insured?",
            "Up to (what|which) amount are (deposits|savings) (insured|protected)?",
        ),
        held_out=("Are {amount} in my {account} insured?", "How is my money protected if the bank fails?"),
        answer="Deposits at an insured bank are protected up to $250,000 per person and kind of account.",
    ),
)

"""Accounts: balance, opening, closing, owners, numbers, branches."""

from bankdata.intent import Intent

TOPIC = "accounts"

INTENTS = (
    Intent(
        "account_balance",
        TOPIC,
        questions=(
            "What is my (account |current |bank |)balance?",
            "How (do|can) I (check|see|find|view) my (account |)balance?",
            "How much money (is in|do I have in) my account?",
            "How much money do I have (in the bank|with you)?",
            "Where (do|can) I (see|find|check) my (account |current |)balance?",
            "I (want|need|would like) to (check|know|see) my (account |)balance.",
            "Show me my (account |current |)balance.",
            "Can I (see|check) the balance of my {account}?",
            "How much (is|do I have) in my {account}?",
            "Check (my |the |)account balance.",
        ),
        held_out=(
            "Could you show the balance of my account?",
            "What is the (current |)balance (in|of|on) my {account}?",
            "Tell me how much money I have in the bank.",
        ),
        answer="You can see your account balance in online banking, in the mobile app, or at any ATM.",
        house="At Harbor Bank, your balance is on the first page of the Harbor app.",
        facts=("Harbor app",),
    ),
    Intent(
        "balance_given",
        TOPIC,
        questions=(
            "What is my (account |current |)balance?",
            "How much money (is in|do I have in) my account?",
            "How much (is|do I have) in my {account}?",
            "Tell me my (account |current |)balance.",
            "What balance do I have (today|now)?",
            "Please (read|give) me my (account |)balance.",
        ),
        held_out=("How much money do I have (today|now)?", "Give me the balance of my {account}."),
        answer="Your balance is {large}.",
        context="Balance: {large}. Last deposit: {day}.",
    ),
    Intent(
        "open_account",
        TOPIC,
        questions=(
            "How (do|can) I open a {account}?",
            "I (want|need|would like) to open a (new |){account}.",
            "What do I need to open a {account}?",
            "Can I open a {account} (online|at a branch|today)?",
            "What (documents|papers) (are needed|do I need) to open a {account}?",
            "How to open a (new |){account}?",
            "Opening a (new |){account}, how does it work?",
        ),
        held_out=(
            "Which steps do I take to open a new {account}?",
            "Please help me open a {account}.",
        ),
        answer="To open a {account}, apply online or at a branch with your ID and proof of address.",
    ),
    Intent(
        "close_account",
        TOPIC,
        questions=(
            "How (do|can) I close my {account}?",
            "I (want|need|would like) to close my {account}.",
            "Can I close my {account} (online|at a branch|today)?",
            "What (happens when|do I do if) I close my {account}?",
            "How to close a {account}?",
            "Please close my {account}.",
        ),
        held_out=("What must I do to close a {account}?", "I no longer need my {account}, close it."),
        answer="To close your {account}, move the money out, then sign the closing form at a branch.",
    ),
    Intent(
        "joint_owner",
        TOPIC,
        questions=(
            "How (do|can) I add (a joint|another|a second) owner to my account?",
            "Can I add my (wife|husband|partner) to my account?",
            "I (want|need) to add my (wife|husband|partner|mother) as (a joint|an) owner.",
            "Can two people (own|share) (an|one) account?",
            "How do I share my account with my (wife|husband|partner)?",
            "Add (a second|another|a joint) owner to my account.",
        ),
        held_out=(
            "Is it possible to add my (wife|husband|partner) as a second owner?",
            "How can two people share my account?",
        ),
        answer="To add a joint owner, both of you visit a branch with ID and sign the owner form.",
    ),
    Intent(
        "change_address",
        TOPIC,
        questions=(
            "How (do|can) I (change|update) my (home |mailing |)address?",
            "I (moved|am moving), how do I (change|update) my address?",
            "I (want|need) to (change|update) my (home |mailing |)address.",
            "I have moved to {city} and (have|got) a new address.",
            "Where (do|can) I (change|update) my (home |mailing |)address?",
            "My address (changed|is wrong), what (do|should) I do?",
        ),
        held_out=("I moved to {city}, please update my address.", "What do I do when my home address changes?"),
        answer="Update your address under profile settings in online banking, or at a branch with proof of address.",
    ),
    Intent(
        "account_number",
        TOPIC,
        questions=(
            "Where (do|can) I find my (account|routing) number?",
            "What is my (account|routing) number?",
            "How (do|can) I (find|see) my (account and routing|routing|account) number?",
            "I need my (account|routing) number.",
            "What is the routing number of (the|your) bank?",
            "Show me my (account|routing) number.",
        ),
        held_out=(
            "Where is the (account|routing) number printed?",
            "Can you help me find my (routing|account) number?",
        ),
        answer="Your account and routing numbers are on your checks, your statement, and in online banking.",
    ),
    Intent(
        "branch_hours",
        TOPIC,
        questions=(
            "When (does|will) the {city} branch open?",
            "What (are the|are your) (opening |)hours (in|of the branch in) {city}?",
            "Is the branch in {city} open (today|on Saturday|on Sunday)?",
            "What time does the {city} branch (open|close)?",
            "Where is the (nearest|closest) branch in {city}?",
            "Opening hours of the {city} branch?",
        ),
        held_out=("Until when is the {city} branch open?", "Which hours is the branch in {city} open?"),
        answer="Most branches open on weekdays from 9 am to 5 pm; the branch finder shows the hours.",
        house="At Harbor Bank, branches open Monday to Saturday from 8 am to 6 pm.",
        facts=("8 am to 6 pm",),
    ),
)

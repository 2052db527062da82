"""Online banking: registering, passwords, the app, alerts, bills, contact details."""

from bankdata.intent import Intent

TOPIC = "online banking"

INTENTS = (
    Intent(
        "register_online",
        TOPIC,
        questions=(
            "How (do|can) I (register|sign up|enroll) for online banking?",
            "I (want|need) to (register|sign up|enroll) for online banking.",
            "How (do|can) I (get|start|set up) online banking (on my {device}|)?",
            "What do I need to (register|sign up|enroll) (for|in) online banking?",
            "Where (do|can) I (register|sign up) for (online banking|the app)?",
            "How to (set up|start) the (mobile |)app on my {device}?",
        ),
        held_out=(
            "Please help me (register|sign up|enroll) for online banking.",
            "I am new, how do I start online banking?",
        ),
        answer="Choose Register on our website, then enter your account number, card number, and email.",
    ),
    Intent(
        "reset_password",
        TOPIC,
        questions=(
            "How (do|can) I (reset|change) my password?",
            "I forgot my (password|user name|login).",
            "I (can't|cannot) (log in|sign in) to (online banking|the app).",
            "My password (does not|doesn't) work.",
            "I (want|need) to (reset|change) my (online banking |)password.",
            "What (do|should) I do if I forget my password?",
        ),
        held_out=("Please help me (reset|change) my password.", "I do not remember my password."),
        answer="Choose Forgot password on the login page; we send a code to your phone to set a new one.",
    ),
    Intent(
        "app_problem",
        TOPIC,
        questions=(
            "The (mobile |banking |)app (does not|doesn't) (work|open|load) (on my {device}|).",
            "Why does the (mobile |banking |)app (crash|freeze|close) (on my {device}|)?",
            "The (mobile |banking |)app (keeps crashing|crashes|is slow|freezes) (on my {device}|).",
            "Online banking (is down|does not load|is slow).",
            "I have a problem with the (mobile |banking |)app (on my {device}|).",
            "What (do|should) I do when the (mobile |banking |)app (crashes|freezes)?",
        ),
        held_out=(
            "My app (is not working|crashes) (on my {device}|).",
            "The app gives me (an error|a problem) on my {device}.",
        ),
        answer="Update the app, restart your phone, and try again; if it still fails, use the website.",
    ),
    Intent(
        "alerts",
        TOPIC,
        questions=(
            "How (do|can) I (set up|turn on|get) (account |)(alerts|notifications)?",
            "Can you (text|email|alert) me when my balance is below {amount}?",
            "I (want|would like) (an alert|alerts|a notification) for (low balance|purchases over {amount}).",
            "How (do|can) I (get|set) an alert for (low balance|large payments)?",
            "How (do|can) I turn off (the |)(alerts|notifications)?",
            "Send me an alert (for|on) every (payment|purchase|deposit) (over {amount}|).",
        ),
        held_out=(
            "Please turn on alerts for (each|every) (purchase|payment).",
            "Where do I set (notifications|alerts)?",
        ),
        answer="Turn on alerts in the app under Notifications, and choose the events and amounts.",
    ),
    Intent(
        "pay_bill",
        TOPIC,
        questions=(
            "How (do|can) I pay my {bill} (online|with the app|)?",
            "I (want|need) to pay my {bill}.",
            "Can I pay my {bill} (online|automatically|in the app)?",
            "How (do|can) I set up automatic payment (of|for) my {bill}?",
            "Pay my {bill} (every|each) month.",
            "Where do I pay (a|my) {bill} (online|)?",
        ),
        held_out=("Please help me pay my {bill}.", "Is it possible to pay the {bill} automatically?"),
        answer="To pay your {bill}, open Bill Pay, add the company, enter the amount, and pick a date.",
    ),
    Intent(
        "change_phone",
        TOPIC,
        questions=(
            "How (do|can) I (change|update) my (phone number|email|email address)?",
            "I (have|got) a new (phone number|email address|email).",
            "I (want|need) to (change|update) my (phone number|email address|email).",
            "My (phone number|email) (changed|is wrong|is old), what (do|should) I do?",
            "Where (do|can) I (change|update) my (phone number|email address)?",
            "(Change|Update) my (phone number|email address).",
        ),
        held_out=(
            "Please update my (phone number|email address).",
            "I do not have the old (phone number|email) any more.",
        ),
        answer="Change your phone number or email under contact details; we confirm it with a code.",
    ),
)

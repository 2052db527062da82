"""Requests that are not about banking. Each gets the one refusal."""

from bankdata.intent import REFUSAL, Intent

TOPIC = "out of scope"


def _family(name: str, questions: tuple[str, ...], held_out: tuple[str, ...]) -> Intent:
    return Intent(name, TOPIC, questions, held_out, answer=REFUSAL)


FAMILIES: tuple[Intent, ...] = (
    _family(
        "weather",
        (
            "(What is|What's|How is|Tell me) the weather (in {city}|in {country}|) {when}?",
            "Will it (rain|snow) (in {city}|) {when}?",
            "How (hot|cold|warm|windy) is it in ({city}|{country}) {when}?",
            "Do I need an umbrella {when}?",
            "(Give me|Show me) the (forecast|temperature) (for|in) {city} {when}.",
            "Is it (sunny|raining|snowing|cloudy) in {city}?",
        ),
        ("What will the weather be like in {city} {when}?", "Is it going to (rain|snow) {when}?"),
    ),
    _family(
        "sports",
        (
            "Who (won|lost|plays in|played in|scored in|will win) {team}?",
            "When (is|was) {team} (this year|held|)?",
            "What (is|was) the score of {team}?",
            "Where (is|was) {team} (held|played)?",
            "Who is the best player in {team}?",
            "How (do|can) I watch {team} {when}?",
            "What are the rules of {hobby}?",
        ),
        ("Which team won {team}?", "Tell me who won {team}."),
    ),
    _family(
        "arithmetic",
        (
            "What is {number} (plus|minus|times|divided by) {other}?",
            "(Calculate|Compute|Solve) {number} (+|-|*|/) {other}.",
            "What is {number}( + | - | * |+|-|*){other}?",
            "How much is {number} (plus|times|minus) {other}?",
            "What is the square root of {number}?",
            "Is {number} a prime number?",
            "What is {number} percent of {other}?",
        ),
        ("What does {number} (+|*|plus|times) {other} make?", "Add {number} and {other}."),
    ),
    _family(
        "jokes",
        (
            "Tell me a (funny |good |short |)(joke|story) (about a {animal}|about {hobby}|).",
            "Do you know (a|any) (joke|jokes|riddle) about (a {animal}|{dish})?",
            "Make me laugh (about a {animal}|{when}|).",
            "Say something funny (about {dish}|).",
            "Write (a poem|a song|a story|a riddle) about (a {animal}|{subject}|{hobby}).",
            "Sing me a song (about a {animal}|).",
        ),
        (
            "Can you tell me (a joke|something funny)( about a {animal}|)?",
            "I want to hear a (joke|poem) about a {animal}.",
        ),
    ),
    _family(
        "geography",
        (
            "What is the (capital|population|flag|language|largest city|longest river) of {country}?",
            "Where is {country}?",
            "How (big|far|old) is {country}?",
            "Which (river|sea|mountain) is in {country}?",
            "How many people live in ({country}|{city})?",
            "Who is the (president|king|mayor) of ({country}|{city})?",
            "Name the (capital|biggest city) of {country}.",
        ),
        ("Which city is the capital of {country}?", "Tell me the (capital|population) of {country}."),
    ),
    _family(
        "cooking",
        (
            "How (do|can) I (cook|make|bake|prepare) {dish}?",
            "(Give me|Find) a recipe for {dish}.",
            "How long (do|should) I (cook|bake) {dish}?",
            "What (goes|do I put) in {dish}?",
            "What (should I|can I) (cook|eat) (with {dish}|{when})?",
            "Which (wine|sauce) goes with {dish}?",
        ),
        ("What is a good recipe for {dish}?", "Teach me to (cook|make) {dish}."),
    ),
    _family(
        "programming",
        (
            "How (do|can) I (sort a list|read a file|write a loop|fix this bug|make a website) in {language}?",
            "Write (a program|code|a function) in {language}.",
            "What is (a variable|a function|a loop|a class) in {language}?",
            "(Explain|Debug) this {language} code.",
            "Is {language} (hard|fast|easy to learn)?",
            "How (do|can) I learn {language}?",
        ),
        ("Show me how to (write a loop|sort a list) in {language}.", "Can you write {language} code (for me|)?"),
    ),
    _family(
        "medical",
        (
            "What (helps|can I take) (against|for) {illness}?",
            "I have {illness}, what (do|should) I do?",
            "How (do|can) I (cure|treat) {illness}?",
            "(What are the symptoms|What is the cause) of {illness}?",
            "Should I see a doctor (for|about) {illness}?",
            "Which medicine is good for {illness}?",
        ),
        ("How long does {illness} last?", "Is {illness} dangerous?"),
    ),
    _family(
        "knowledge",
        (
            "What (is|are) {subject}?",
            "Explain {subject} (to me|simply|).",
            "How (does|do) {subject} work?",
            "Who discovered {subject}?",
            "(Tell me|I want to know) (more |)about {subject}.",
            "When (did|was) {subject} (start|found|begin)?",
            "Why (is|are) {subject} (important|famous)?",
            "Write an essay about {subject}.",
        ),
        ("Give me a lesson about {subject}.", "What do we know about {subject}?"),
    ),
    _family(
        "translation",
        (
            "How do (you|I) say {word} in {foreign}?",
            "Translate {word} (to|into) {foreign}.",
            "What (is|does) {word} (in|mean in) {foreign}?",
            "How (do|can) I learn {foreign}?",
            "Teach me (some |)words (in|of) {foreign}.",
            "Is {foreign} (hard|easy|a hard language)?",
        ),
        ("What is the {foreign} word for {word}?", "Can you translate {word} to {foreign}?"),
    ),
    _family(
        "leisure",
        (
            "Which (movie|film|book|show|game) (should I|can I) (see|try|pick) {when}?",
            "Recommend a (movie|film|book|song|restaurant|hotel) in {city}.",
            "How (do|can) I learn (to play |){hobby}?",
            "What (is|are) the best (hotels|restaurants|museums|beaches) in ({city}|{country})?",
            "(Book|Find) me a (flight|hotel|table) (in|to) ({city}|{country}).",
            "How (do|can) I (fix|repair|clean|paint) (my|a) {thing}?",
            "What (shall|should|can) I do in {city} {when}?",
            "Who (sings|wrote|plays) the best (song|book|music) (about {subject}|)?",
        ),
        ("What is a good (movie|book|song) {when}?", "Where can I (play|learn) {hobby} in {city}?"),
    ),
    _family(
        "smalltalk",
        (
            "How (old|tall|smart) are you?",
            "What (is your|do you have as a) favorite (color|food|animal|song|{animal})?",
            "(Do|Would) you (like|love|enjoy|know) ({hobby}|{dish}|{subject})?",
            "What (do|does) (a|an old|a young|a wild) {animal} eat?",
            "How (fast|big|old) (is|can be|gets) a {animal}?",
            "Are you (a robot|a human|married|alive|happy) {when}?",
            "What is the meaning of life?",
            "What time is it in ({city}|{country})?",
            "Who (is|was) (Einstein|Napoleon|Mozart|Shakespeare|Picasso)?",
        ),
        ("Can a {animal} (swim|fly|climb)?", "Do you have a {animal}?"),
    ),
)

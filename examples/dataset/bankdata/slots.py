"""Values of the slots that templates name. All people, shops and amounts are invented."""

from collections.abc import Callable
from random import Random

_WORDS: dict[str, tuple[str, ...]] = {
    "account": (
        "checking account", "savings account", "joint account", "business account", "student account",
        "current account", "personal account", "retirement account",
    ),
    "card": ("debit card", "credit card", "Visa card", "Mastercard", "bank card", "business card", "travel card"),
    "city": (
        "Boston", "Chicago", "Denver", "Seattle", "Austin", "Miami", "Portland", "Dallas", "Atlanta", "Phoenix",
        "Oakland", "Tampa", "Buffalo", "Houston", "Nashville", "Cleveland",
    ),
    "country": (
        "Spain", "Japan", "Mexico", "Italy", "Canada", "Brazil", "India", "Germany", "Greece", "Kenya", "Peru",
        "Norway", "Thailand", "Portugal", "Egypt", "Ireland",
    ),
    "merchant": (
        "Blue Market", "Corner Cafe", "City Fuel", "Nova Games", "Green Grocer", "Star Cinema", "Metro Taxi",
        "Book Barn", "Sun Pharmacy", "Peak Sports", "Fresh Bakery", "Lake Hotel",
    ),
    "month": (
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
        "November", "December",
    ),
    "person": ("my sister", "my brother", "my landlord", "my son", "my daughter", "my mother", "my friend", "a friend"),
    "payee": ("Anna", "Ben", "Carla", "David", "Elena", "Frank", "Grace", "Hugo", "Iris", "Jonas", "Kate", "Leo"),
    "term": ("6 months", "12 months", "18 months", "24 months", "36 months"),
    "years": ("two years", "three years", "four years", "five years", "six years"),
    "bill": ("electricity bill", "water bill", "phone bill", "gas bill", "internet bill", "insurance bill", "rent"),
    "dish": (
        "pasta", "pizza", "soup", "rice", "bread", "pancakes", "curry", "chili", "a cake", "an omelette", "sushi", "tacos",
        "lasagna", "cookies", "a salad", "roast chicken", "scrambled eggs", "apple pie", "sourdough", "ramen",
    ),
    "team": (
        "the Super Bowl", "the World Cup", "the World Series", "the Olympics", "the tennis final", "the hockey game",
        "the football match", "the basketball game", "the race", "the marathon", "the golf tournament", "the derby",
    ),
    "language": ("Python", "Java", "Rust", "C++", "SQL", "JavaScript", "Go", "HTML", "a shell script", "PHP", "Ruby"),
    "illness": (
        "a headache", "a cold", "a fever", "back pain", "a sore throat", "the flu", "a rash", "a cough", "an allergy",
        "a toothache", "a sprained ankle", "stomach pain",
    ),
    "subject": (
        "gravity", "the moon", "black holes", "dinosaurs", "photosynthesis", "evolution", "volcanoes", "electricity",
        "the brain", "quantum physics", "the Roman Empire", "the French Revolution", "atoms", "climate", "the sun",
        "ancient Egypt", "world history", "chemistry", "philosophy", "robots", "whales", "glaciers", "comets",
    ),
    "animal": (
        "cat", "dog", "horse", "penguin", "tiger", "elephant", "rabbit", "shark", "parrot", "snake", "bear", "whale",
        "hamster", "goat", "turtle", "fox",
    ),
    "hobby": (
        "guitar", "piano", "chess", "tennis", "yoga", "poker", "football", "golf", "the violin", "drums", "basketball",
        "video games", "painting", "photography", "gardening", "knitting",
    ),
    "foreign": ("French", "Spanish", "German", "Italian", "Latin", "Chinese", "Russian", "Greek", "Dutch", "Arabic"),
    "word": ("hello", "love", "water", "friend", "thank you", "good night", "house", "bread", "happy", "tree", "winter"),
    "when": ("today", "tomorrow", "this weekend", "next week", "on Sunday", "tonight", "this afternoon", "on Friday"),
    "thing": (
        "bicycle", "sofa", "window", "lamp", "washing machine", "car engine", "garden fence", "roof", "kitchen sink",
        "flat tire", "printer", "television", "camera", "door lock", "fridge",
    ),
    "device": ("iPhone", "Android phone", "tablet", "laptop", "new phone"),
    "rate": ("1.25%", "1.75%", "2.10%", "2.50%", "3.05%", "3.40%", "3.90%", "4.15%", "4.60%"),
}


def _date(rng: Random) -> str:
    return f"{rng.choice(_WORDS['month'])} {rng.randint(1, 28)}"


def _small(rng: Random) -> str:
    return f"${rng.randint(2, 95)}.{rng.choice(('00', '25', '50', '75'))}"


def _large(rng: Random) -> str:
    return f"${rng.randint(1, 9)},{rng.randint(1, 99):02d}0.{rng.choice(('00', '25', '50', '75'))}"


def _round(rng: Random) -> str:
    return f"${rng.randint(2, 40) * 25}"


def _chooser(values: tuple[str, ...]) -> Callable[[Random], str]:
    return lambda rng: rng.choice(values)


SLOTS: dict[str, Callable[[Random], str]] = {
    **{name: _chooser(values) for name, values in _WORDS.items()},
    "number": lambda rng: str(rng.randint(2, 99)),
    "other": lambda rng: str(rng.randint(2, 99)),
    "date": _date, "day": _date, "small": _small, "large": _large, "amount": _round,
}

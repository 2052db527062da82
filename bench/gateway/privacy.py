"""How much personal data is masked, and how often something else is."""

import statistics
from collections.abc import Iterable, Sequence

from banktuner_gateway.privacy import Masker
from bench.gateway.privacy_items import Item
from bench.gateway.privacy_look_alikes import look_alikes
from bench.gateway.privacy_sentences import personal
from bench.rows import Measurement, Row, Settings

SEEDS = (20, 21, 22)
ITEMS = 2400
PEER = "none published; {count} seeded texts a run, {wrong} of {total} wrong"


def is_right(masker: Masker, item: Item) -> bool:
    """Whether exactly the item's value is masked, as its own kind; nothing at all of a look-alike."""
    wanted = item.text if item.kind is None else f"{item.before}<{item.kind}>{item.after}"
    return masker.redact(item.text) == wanted


def mistakes(masker: Masker, items: Iterable[Item]) -> list[Item]:
    """The items that are not masked as they should be."""
    return [item for item in items if not is_right(masker, item)]


def rows(seeds: Sequence[int] = SEEDS, count: int = ITEMS) -> list[Row]:
    """The two rows; a run is one seed."""
    masker = Masker()
    missed = [len(mistakes(masker, personal(seed, count))) for seed in seeds]
    wrong = [len(mistakes(masker, look_alikes(seed, count))) for seed in seeds]
    recalls, rates = [1 - number / count for number in missed], [number / count for number in wrong]
    total = count * len(seeds)
    of_missed, of_wrong = (PEER.format(count=count, wrong=sum(part), total=total) for part in (missed, wrong))
    return [
        Row("pii_recall", statistics.mean(recalls), "share", 0.99, of_missed, recalls),
        Row("pii_false_positive_rate", statistics.mean(rates), "share", 0.01, of_wrong, rates, lower_is_better=True),
    ]


def measure(_: Settings) -> list[Row]:
    """On seeded texts alone."""
    return rows()


MEASUREMENTS = (Measurement(("pii_recall", "pii_false_positive_rate"), measure),)

"""How much personal data is masked, and how often something else is: pii_recall and pii_false_positive_rate.

`python -m bench.gateway.privacy` prints both rows and the items that went wrong, and writes build/bench/gateway.json.
"""

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

from banktuner_gateway.privacy import Masker
from bench.gateway.privacy_items import Item
from bench.gateway.privacy_sentences import look_alikes, personal
from bench.rows import Row, table, write

SEEDS = (20, 21, 22)
ITEMS = 2400
OUTPUT = Path("build/bench/gateway.json")
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


def main() -> None:
    """Prints the rows and the first seed's mistakes, and keeps the rows."""
    measured = rows()
    write(OUTPUT, measured)
    print(table(measured))
    masker = Masker()
    for item in mistakes(masker, personal(SEEDS[0], ITEMS)) + mistakes(masker, look_alikes(SEEDS[0], ITEMS)):
        print(f"{item.kind or 'none':10} {item.text!r} -> {masker.redact(item.text)!r}")


if __name__ == "__main__":
    main()

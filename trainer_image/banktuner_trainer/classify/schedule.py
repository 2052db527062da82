"""How long to train a classifier, where the job does not say."""

FEWEST_EPOCHS, MOST_EPOCHS = 4, 30
FEWEST_VISITS = 3_200
"""A hundred batches of 32: the head is fitted beforehand, and the encoder needs few steps where rows are few."""


def epochs_for(rows: int) -> int:
    """Few rows are seen more often."""
    return min(MOST_EPOCHS, max(FEWEST_EPOCHS, -(-FEWEST_VISITS // rows)))

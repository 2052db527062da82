"""How long to train a classifier, where the job does not say."""

ROW_VISITS = 12_000
FEWEST_EPOCHS, MOST_EPOCHS = 5, 20


def epochs_for(rows: int) -> int:
    """Few rows are seen more often: about ROW_VISITS visits, within bounds."""
    return min(MOST_EPOCHS, max(FEWEST_EPOCHS, round(ROW_VISITS / rows)))

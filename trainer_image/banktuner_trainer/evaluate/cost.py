"""What a run and its answers cost, from the price table of the run's configuration."""

from banktuner_api.run_config import Limits, Prices

SECONDS_AN_HOUR = 3600.0
ANSWERS = 1000


def node_hour(prices: Prices, limits: Limits) -> float:
    """Price of an hour of one pod: its CPU cores and its GPUs."""
    return limits.cpus * prices.cpu_hour + limits.gpus * prices.gpu_hour


def training_cost(prices: Prices, limits: Limits, nodes: int, seconds: float) -> float:
    """Of `nodes` pods for `seconds`."""
    return node_hour(prices, limits) * nodes * seconds / SECONDS_AN_HOUR


def cost_per_1000_answers(prices: Prices, limits: Limits, answers: int, seconds: float) -> float:
    """Of one pod that gives answers as fast as it gave `answers` in `seconds`."""
    return node_hour(prices, limits) * seconds / answers * ANSWERS / SECONDS_AN_HOUR

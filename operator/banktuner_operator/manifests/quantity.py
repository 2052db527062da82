"""Kubernetes quantities: reading them and writing them in the form that the API server keeps."""

from decimal import Decimal

_BINARY = ("Ki", "Mi", "Gi", "Ti")
_DECIMAL = ("k", "M", "G", "T")
_FACTORS = {
    "m": Decimal("0.001"),
    **{suffix: Decimal(1024 ** (power + 1)) for power, suffix in enumerate(_BINARY)},
    **{suffix: Decimal(1000 ** (power + 1)) for power, suffix in enumerate(_DECIMAL)},
}


def parse(quantity: str) -> Decimal:
    """The number that a quantity such as `500m`, `2` or `4Gi` stands for. Raises ValueError."""
    for suffix, factor in _FACTORS.items():
        if quantity.endswith(suffix):
            return _number(quantity[: -len(suffix)]) * factor
    return _number(quantity)


def cores(quantity: str, percent: int = 100) -> str:
    """A share of a CPU quantity in whole millicores, at least one."""
    millis = max(1, int(parse(quantity) * 10 * percent))
    return str(millis // 1000) if millis % 1000 == 0 else f"{millis}m"


def size(quantity: str, percent: int = 100) -> str:
    """A share of a size in whole bytes, in the largest unit that divides it."""
    count = int(parse(quantity) * percent / 100)
    base, suffixes = (1024, _BINARY) if count % 1024 == 0 else (1000, _DECIMAL)
    unit = ""
    for suffix in suffixes:
        if count == 0 or count % base:
            break
        count, unit = count // base, suffix
    return f"{count}{unit}"


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError as error:
        raise ValueError(f"not a quantity: {text!r}") from error

"""Tells telephone numbers by their form: E.164, the North American plan, British numbers."""

import phonenumbers

GROUPED = {" ", "-", ".", ") ", ")", "-(", ") -", " (", " - "}


def may_be_phone(number: str, sizes: list[int]) -> bool:
    """Whether a number that is called a telephone's can be one."""
    return 7 <= len(number) <= 15 and len(sizes) <= 7


def looks_like_phone(number: str, sizes: list[int], gaps: set[str], plus: bool) -> bool:
    """Whether the form alone tells a telephone number: written internationally, or in its country's groups."""
    if plus:
        return 8 <= len(number) <= 16 and _is_possible("+" + number, None)
    if number.startswith("00") and len(sizes) > 1:
        return _is_valid("+" + number[2:], None)
    if sizes in ([3, 3, 4], [1, 3, 3, 4]):
        return _is_north_american(number) and gaps <= GROUPED
    if sizes == [3, 7] and gaps <= {")", ") "}:
        return _is_north_american(number)
    if number.startswith("0") and len(number) in (10, 11) and gaps <= GROUPED:
        return (len(sizes) > 1 or number.startswith("07")) and _is_valid(number, "GB")
    return False


def _is_north_american(number: str) -> bool:
    """Area and office begin with 2 to 9; a leading 1 is the country."""
    local = number[1:] if len(number) == 11 and number[0] == "1" else number
    return len(local) == 10 and local[0] in "23456789" and local[3] in "23456789"


def _parsed(number: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None


def _is_possible(number: str, region: str | None) -> bool:
    """Whether the country has numbers of this length."""
    parsed = _parsed(number, region)
    return parsed is not None and phonenumbers.is_possible_number(parsed)


def _is_valid(number: str, region: str | None) -> bool:
    """Whether the country gives out numbers like this one."""
    parsed = _parsed(number, region)
    return parsed is not None and phonenumbers.is_valid_number(parsed)

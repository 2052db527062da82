"""How customers spell personal data: each spelling masked, in a stream of single characters too; look-alikes not."""

import pytest

from banktuner_gateway.privacy import Masker, Vault
from tests.gateway.privacy.conftest import streamed

FOURS = "4111 1111 1111 1111"
BETWEEN = {
    "four spaces": "    ",
    "two tabs": "\t\t",
    "columns": "     |     ",
    "bold": "** **",
    "code": "` `",
    "semicolon": ";",
    "plus": "+",
    "brackets": ")(",
    "braces": "}{",
    "apostrophe": "'",
    "JSON list": '", "',
    "equals": "=",
    "hash": "#",
    "backslash": "\\",
    "quoted mail": "\n> ",
    "blank lines": "\n\n\n\n",
    "ellipsis": "\u2026",
    "break": "<br>",
    "closed break": "<br/>",
    "cells": "</td> <td>",
    "hard space": "&nbsp;",
    "no-break space": "\u00a0",
    "slash": " / ",
}
CARDS = {
    "expiry before": (f"Exp 09/27 {FOURS}", "Exp 09/27 <CARD>"),
    "expiry before, with spaces": (f"09 27 {FOURS}", "09 27 <CARD>"),
    "expiry before, with dashes": ("09-27-4111-1111-1111-1111", "09-27-<CARD>"),
    "count before": (f"Please refund 20 {FOURS}", "Please refund 20 <CARD>"),
    "amount before": (f"EUR 1,250.00 {FOURS}", "EUR 1,250.00 <CARD>"),
    "year before": (f"2027 {FOURS}", "2027 <CARD>"),
    "date before": (f"12 09 2027 {FOURS}", "12 09 2027 <CARD>"),
    "eight digits before": (f"1234 5678 {FOURS}", "1234 5678 <CARD>"),
    "reference before": (f"ref ab12 {FOURS}", "ref ab12 <CARD>"),
    "SSN before": (f"SSN 078-05-1120 {FOURS}", "SSN <SSN> <CARD>"),
    "two": (f"Block {FOURS} 5500 0055 5555 5559", "Block <CARD> <CARD>"),
    "two after a count": (f"20 {FOURS} 5500 0055 5555 5559", "20 <CARD> <CARD>"),
    "two with dashes": ("4111-1111-1111-1111-5500-0055-5555-5559", "<CARD>-<CARD>"),
    "three": (f"{FOURS} {FOURS} {FOURS}", "<CARD> <CARD> <CARD>"),
    "expiry with the same dash": ("4111-1111-1111-1111-12-27", "<CARD>-12-27"),
    "expiry and CVV with the same slash": ("4111/1111/1111/1111/12/27/123", "<CARD>/12/27/123"),
    "CVV with the same dash": ("4111-1111-1111-1111-123", "<CARD>-123"),
    "expiry in one": ("4111-1111-1111-1111-1227", "<CARD>-1227"),
    "Amex and expiry": ("3782-822463-10005-12-27", "<CARD>-12-27"),
    "Amex in fours": ("3782 8224 6310 005 12/27", "<CARD> 12/27"),
    "13 digits": ("Please refund 20 4222 2222 2222 2", "Please refund 20 <CARD>"),
    "19 digits and expiry": ("6212 3456 7890 0000 003 12/27", "<CARD> 12/27"),
    "eights": ("41111111 11111111 12/27", "<CARD> 12/27"),
    "fours and eights": ("4111 1111 11111111 12/27 123", "<CARD> 12/27 123"),
    "twos and expiry": ("41 11 11 11 11 11 11 11 12/27", "<CARD> 12/27"),
    "whole and all that shops ask": ("4111111111111111|12|2027|123", "<CARD>|12|2027|123"),
}
OTHERS = {
    "IBAN in columns": ("GB82    WEST    1234    5698    7654    32", "<IBAN>"),
    "IBAN with bars": ("GB82|WEST|1234|5698|7654|32", "<IBAN>"),
    "IBAN in bold": ("**DE89** **3704** **0044** **0532** **0130** **00**", "**<IBAN>**"),
    "IBAN, then a currency": ("DE89370400440532013000EUR", "<IBAN>EUR"),
    "e-mail, space before the dot": ("to anna@bank .com", "to <EMAIL>"),
    "e-mail, spaces all around": ("to anna @ bank . com", "to <EMAIL>"),
    "e-mail, space after the dot": ("to anna@bank. com ok", "to <EMAIL> ok"),
    "e-mail, comma": ("to anna@bank,com", "to <EMAIL>"),
    "e-mail, (a)": ("to anna(a)bank.com", "to <EMAIL>"),
    "e-mail, two spaces": ("to anna  @  bank.com", "to <EMAIL>"),
    "e-mail, many labels": ("to anna@a.b.c.d.com", "to <EMAIL>"),
    "e-mail said, by name": ("my e-mail is anna at bank.com", "my e-mail is <EMAIL>"),
    "phone, bracket": ("(415) 5550132", "<PHONE>"),
    "phone, spaced dashes": ("415 - 555 - 0132", "<PHONE>"),
    "phone, 1 and bracket": ("1 (415) 555-0132", "<PHONE>"),
    "phone, extension": ("415-555-0132x12", "<PHONE>x12"),
    "SSN, halves": ("ssn is 078 051120", "ssn is <SSN>"),
    "SSN, slashes": ("ssn 078/05/1120", "ssn <SSN>"),
    "PIN, halves": ("PIN: 12 34", "PIN: <PIN>"),
}
LOOK_ALIKES = [
    "Please refund 20 4111 1111 1111 1112",
    "4111-1111-1111-1112-12-27",
    *(FOURS[:-1].replace(" ", gap) + "2" for gap in BETWEEN.values()),
    "orders 4000, 4111, 1111, 1111, 1111, 4222",
    "key 4111-1111-1111-1111-2222-3333",
    "1234-5678-4111-1111-1111-1111-2222",
    "4000 4001 4002 4111 1111 1111 1111",
    "$4111 + $1111 + $1111 + $1111",
    "DE00 4111 1111 1111 1111 00",
    "they are at home. Com is short; see us @home. Networks are slow",
    "e-mail me at example.com, look at example.com",
    "option (a) is cheaper, (a) and (b)",
    "from 415 to 555 - 0132",
    "GB83    WEST    1234    5698    7654    32",
]


@pytest.mark.parametrize("case", {**CARDS, **OTHERS})
def test_every_spelling_is_masked(masker: Masker, case: str) -> None:
    text, wanted = {**CARDS, **OTHERS}[case]
    assert masker.redact(text) == wanted
    assert streamed(masker, f"{text}, sir. I lost it, please help me with it") == masker.redact(
        f"{text}, sir. I lost it, please help me with it"
    )


@pytest.mark.parametrize("gap", BETWEEN)
def test_a_card_is_masked_whatever_stands_between_its_groups(masker: Masker, gap: str) -> None:
    text, wanted = f"My number is {FOURS.replace(' ', BETWEEN[gap])} thanks", "My number is <CARD> thanks"
    assert masker.redact(text) == streamed(masker, text) == wanted
    assert masker.mask(f"{text} {FOURS}", Vault()) == "My number is <CARD_1> thanks <CARD_1>"


@pytest.mark.parametrize("text", LOOK_ALIKES)
def test_what_is_spelled_alike_stays(masker: Masker, text: str) -> None:
    assert masker.redact(text) == streamed(masker, text) == text

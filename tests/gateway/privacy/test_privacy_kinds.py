"""What is masked and what is not: G6's cases one by one, and the table's two figures on a small set."""

import pytest

from banktuner_gateway.privacy import Masker
from bench.gateway.privacy import rows

MASKED = {
    "spaced": ("My card 4111 1111 1111 1111 was lost", "My card <CARD> was lost"),
    "dashed": ("4111-1111-1111-1111", "<CARD>"),
    "en dashes": ("4111\u20131111\u20131111\u20131111", "<CARD>"),
    "amex": ("3782 822463 10005", "<CARD>"),
    "nineteen digits": ("6212345678900000003", "<CARD>"),
    "digit by digit": ("it is 4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 and", "it is <CARD> and"),
    "full-width digits": ("\uff14" + "\uff11" * 15, "<CARD>"),
    "Arabic digits": ("\u0664" + "\u0661" * 15, "<CARD>"),
    "circled digits": ("\u2463" + "\u2460" * 15, "<CARD>"),
    "zero width": ("4111\u200b1111\u200d1111\u20601111", "<CARD>"),
    "soft hyphens": ("41\u00ad11 1111 1111 1111", "<CARD>"),
    "keycaps": ("4\ufe0f\u20e3" + "1\ufe0f\u20e3" * 15 + "!", "<CARD>\ufe0f\u20e3!"),
    "over lines": ("4111 1111\n1111 1111", "<CARD>"),
    "JSON key": ('{"4111111111111111": true}', '{"<CARD>": true}'),
    "JSON number": ('{"pan":4111111111111111}', '{"pan":<CARD>}'),
    "beside letters": ("card4111111111111111x", "card<CARD>x"),
    "then the expiry": ("4111 1111 1111 1111 12/27", "<CARD> 12/27"),
    "then the CVV": ("4111 1111 1111 1111 123", "<CARD> 123"),
    "two": ("4111111111111111,5555555555554444", "<CARD>,<CARD>"),
    "IBAN": ("to GB82 WEST 1234 5698 7654 32.", "to <IBAN>."),
    "IBAN in small letters": ("de89370400440532013000", "<IBAN>"),
    "IBAN beside its name": ("IBANDE89370400440532013000", "IBAN<IBAN>"),
    "IBAN in a JSON key": ('{"FR14 2004 1010 0505 0001 3M02 606": 1}', '{"<IBAN>": 1}'),
    "account before": ("my account number is 12345678", "my account number is <ACCOUNT>"),
    "account after": ("12345678 is my account", "<ACCOUNT> is my account"),
    "account and sort code": (
        "account number and sort code: 12345678 and 20-00-00",
        "account number and sort code: <ACCOUNT> and <SORT_CODE>",
    ),
    "camel case": ('{"accountNumber": "12345678"}', '{"accountNumber": "<ACCOUNT>"}'),
    "routing": ("ABA routing number 021000021", "ABA routing number <ROUTING>"),
    "cvv": ("the CVV2 is 737", "the CVV2 is <CVV>"),
    "pin": ("change my PIN to 4821", "change my PIN to <PIN>"),
    "ssn": ("078-05-1120", "<SSN>"),
    "ssn without dashes": ("my SSN: 078051120", "my SSN: <SSN>"),
    "email": ("to Anna.Smith+bank@mail.example.co.uk, please", "to <EMAIL>, please"),
    "email in another script's signs": ("anna\uff20example\uff0ecom", "<EMAIL>"),
    "email spelled": ("anna (at) example (dot) com", "<EMAIL>"),
    "email said": ("it is anna at example dot com ok", "it is <EMAIL> ok"),
    "phone": ("(415) 555-0132", "<PHONE>"),
    "phone abroad": ("+44 (0)7700 900123", "<PHONE>"),
    "phone by name": ("call me on 4155550132", "call me on <PHONE>"),
}
NOT_MASKED = {
    "failing Luhn": "My card 4111 1111 1111 1112 was lost",
    "failing Luhn, Unicode digits": "\uff14" + "\uff11" * 14 + "\uff12",
    "failing Luhn in a JSON key": '{"4111111111111112": true}',
    "no issuer": "order 1000000000000008",
    "twenty digits": "41111111111111111111",
    "UUID": "id 550e8400-e29b-41d4-a716-446655440000",
    "failing mod 97": "to GB83 WEST 1234 5698 7654 32.",
    "IBAN of no country": "to ZZ82 WEST 1234 5698 7654 32.",
    "failing ABA": "ABA routing number 021000022",
    "amounts": "I paid $1,250.00, then 4111.11 EUR and 12345678 dollars from my account",
    "dates": "My account since 2019-04-01, PIN changed in 2024, card until 09/27, opened on 20190401",
    "references": "my account statement shows reference 12345678 and invoice 87654321",
    "versions": "Your app 12.4.1111 on Android 14.0.0.1",
    "ssn of no area": "666-12-3456 and 123-00-4567",
    "placeholders": "Your balance in <ACCOUNT_1> is 250000, see <SORT_CODE_2> 123456",
    "no address": "look at dot points, @anna, a@b, 3 @ 5",
}


@pytest.mark.parametrize("case", MASKED)
def test_personal_data_is_masked_to_the_character(masker: Masker, case: str) -> None:
    text, wanted = MASKED[case]
    assert masker.redact(text) == wanted


@pytest.mark.parametrize("case", NOT_MASKED)
def test_what_only_looks_like_it_stays(masker: Masker, case: str) -> None:
    assert masker.redact(NOT_MASKED[case]) == NOT_MASKED[case]


def test_seeded_set_reaches_the_bars() -> None:
    measured = rows(seeds=(7,), count=650)
    assert [row.name for row in measured if not row.passes] == []

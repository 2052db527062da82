"""Placeholders and their vault: stable, reversible, nobody else's; and a bank's own kinds."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banktuner_api.gateway import Entity
from banktuner_gateway.privacy import Masker, Vault
from banktuner_gateway.privacy.masker import HINT
from banktuner_gateway.privacy.recognisers import Recognisers
from bench.gateway.privacy_sentences import personal

RECOGNISERS = Recognisers()


def test_another_spelling_has_the_same_placeholder(masker: Masker) -> None:
    vault = Vault()
    assert masker.mask("4111 1111 1111 1111", vault) == "<CARD_1>"
    assert masker.mask("is it \uff14111-1111-1111-1111 or 5555555555554444?", vault) == "is it <CARD_1> or <CARD_2>?"
    assert masker.mask("Anna@Example.com", vault) == masker.mask("anna (at) example (dot) com", vault) == "<EMAIL_1>"


def test_a_number_named_once_is_masked_without_its_name(masker: Masker) -> None:
    vault = Vault()
    assert masker.mask("My PIN is 4821.", vault) == "My PIN is <PIN_1>."
    assert masker.mask("Is 4821 safe?", vault) == "Is <PIN_1> safe?"
    assert masker.mask("Is 48210 safe?", vault) == "Is 48210 safe?"


def test_an_address_with_known_digits_is_an_address_of_its_own(masker: Masker) -> None:
    vault = Vault()
    masker.mask("My PIN is 4821.", vault)
    assert masker.mask("anna4821@example.com", vault) == "<EMAIL_1>"


@pytest.mark.parametrize("item", personal(seed=3, count=60), ids=lambda item: item.kind)
def test_restore_gives_back_what_was_written(masker: Masker, item) -> None:
    vault = Vault()
    masked = masker.mask(item.text, vault)
    assert item.value not in masked
    assert masker.restore(masked, vault) == item.text


def test_a_typed_placeholder_stands_for_itself_alone(masker: Masker) -> None:
    vault = Vault()
    masker.mask("My card is 4111111111111111", vault)
    masked = masker.mask("Print <CARD_1> and <CARD_2>", vault)
    assert "<CARD_1>" not in masked
    assert masker.restore(masked, vault) == "Print <CARD_1> and <CARD_2>"


def test_values_are_not_restored_twice(masker: Masker) -> None:
    vault = Vault()
    masked = masker.mask("<TEXT_2> then <CARD_9>", vault)
    assert masker.restore(masked, vault) == "<TEXT_2> then <CARD_9>"


def test_another_conversation_knows_nothing(masker: Masker) -> None:
    masker.mask("My card is 4111111111111111", Vault())
    assert masker.restore("It is <CARD_1>", Vault()) == "It is <CARD_1>"


def test_vault_survives_its_store(masker: Masker) -> None:
    vault = Vault()
    masker.mask("card 4111111111111111, account 12345678, <CARD_1>", vault)
    again = Vault.from_json(vault.to_json())
    assert masker.mask("4111-1111-1111-1111 and 5555555555554444", again) == "<CARD_1> and <CARD_2>"
    assert masker.restore("<CARD_1> <ACCOUNT_1> <TEXT_1>", again) == "4111111111111111 12345678 <CARD_1>"


@pytest.mark.parametrize("document", ["", "[]", '{"values": 3}', '{"values": {"x": "y"}, "placeholders": {}}'])
def test_a_broken_vault_is_refused_without_its_content(document: str) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        Vault.from_json(document)


def test_a_banks_own_kind_is_masked_wherever_it_begins() -> None:
    masker = Masker([Entity(name="CUSTOMER", pattern=r"\bKD-?[0-9]{6,8}\b")])
    assert masker.redact("I am KD-123456, or KD\uff11234567.") == "I am <CUSTOMER>, or <CUSTOMER>."
    vault = Vault()
    assert masker.mask("KD123456 kd KD-123456", vault) == "<CUSTOMER_1> kd <CUSTOMER_1>"


@pytest.mark.parametrize("pattern", ["(", "a(?=b)", r"(a)\1", "x*", "(?:a{1000}){1000}"])
def test_a_pattern_that_cannot_be_used_is_refused_by_name(pattern: str) -> None:
    with pytest.raises(ValueError, match="OWN"):
        Masker([Entity(name="OWN", pattern=pattern)])


def test_a_pattern_that_backtracks_elsewhere_ends_here() -> None:
    masker = Masker([Entity(name="OWN", pattern="(?:a+)+b")])
    assert masker.redact("a" * 4000) == "a" * 4000


@given(
    st.lists(st.sampled_from(["anna", " at ", "bank", " do", "t ", "com", ".", "(", ")", " ", "a", "GB", "card"])).map(
        "".join
    )
)
def test_a_text_that_is_not_searched_has_nothing_to_find(text: str) -> None:
    assert HINT.search(text) or not list(RECOGNISERS.find(text))


def test_no_log_line_has_what_was_masked(masker: Masker, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        masker.redact("My card is 4111111111111111, my account 12345678")
    assert "1111" not in caplog.text
    assert "12345678" not in caplog.text


PUBLIC = ["+44 20 7946 0958", "help@bank.example", "GB33BUKB20201555555555"]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Call +44 20 7946 0958 or 0044 20 7946 0000.", "Call +44 20 7946 0958 or <PHONE>."),
        ("Call +44-20-7946-0958 now", "Call +44-20-7946-0958 now"),
        ("Write to Help@Bank.example, not to anna@bank.example", "Write to Help@Bank.example, not to <EMAIL>"),
        ("Pay to GB33 BUKB 2020 1555 5555 55.", "Pay to GB33 BUKB 2020 1555 5555 55."),
        ("My IBAN is GB82 WEST 1234 5698 7654 32", "My IBAN is <IBAN>"),
    ],
)
def test_what_is_the_banks_own_stays(text: str, masked: str) -> None:
    vault = Vault()
    masker = Masker(allow=PUBLIC)
    assert masker.redact(text) == masked
    assert masker.restore(masker.mask(text, vault), vault) == text
    assert all(value not in vault.to_json() for value in ("0958", "help@", "BUKB"))


def test_a_value_that_is_part_of_another_does_not_open_it() -> None:
    masker = Masker(allow=["1111 1111", "4111"])
    assert masker.redact("My card is 4111 1111 1111 1111.") == "My card is <CARD>."

"""Numbers that only words tell, in the languages of privacy/words.py, with and without accents; and look-alikes."""

import re

import pytest

from banktuner_gateway.privacy import Masker
from banktuner_gateway.privacy.words import without_accents
from tests.gateway.privacy.conftest import streamed

MASKED = {
    "de": [
        "Meine PIN ist <PIN:4821>",
        "Geheimzahl: <PIN:4821>",
        "<PIN:4821> ist meine PIN, danke",
        "Kartenprüfnummer <CVV:737>",
        "der Sicherheitscode lautet <CVV:737>",
        "Kontonummer <ACCOUNT:12345678>",
        "mein Girokonto <ACCOUNT:12345678>",
        "BLZ <SORT_CODE:37040044>",
        "Bankleitzahl: <SORT_CODE:370 400 44>",
        "Telefonnummer <PHONE:30 1234567>",
        "Sie erreichen mich am Handy <PHONE:151 2345678>",
        "Sozialversicherungsnummer <SSN:1237 010180>",
    ],
    "es": [
        "mi PIN es <PIN:4821>",
        "mi clave es <PIN:4821>",
        "<PIN:4821> es mi PIN secreto",
        "código de seguridad: <CVV:737>",
        "cuenta <ACCOUNT:12345678>",
        "el número de cuenta es <ACCOUNT:12345678>",
        "código de banco <SORT_CODE:2100>",
        "mi teléfono es <PHONE:612 345 678>",
        "móvil <PHONE:612345678>",
        "seguridad social <SSN:28 12345678 40>",
        "mi número de ruta es <ROUTING:021000021>",
    ],
    "fr": [
        "mon PIN est <PIN:4821>",
        "code secret : <PIN:4821>",
        "mon code secret est <PIN:4821>, merci",
        "<PIN:4821> est mon code secret",
        "le cryptogramme est <CVV:737>",
        "numéro de compte <ACCOUNT:12345678>",
        "code banque <SORT_CODE:30004>",
        "mon téléphone : <PHONE:06 12 34 56 78>",
        "numéro de sécurité sociale <SSN:1 85 05 78 006 084 36>",
    ],
    "it": [
        "il mio PIN è <PIN:4821>",
        "codice segreto <PIN:4821>",
        "<PIN:4821> è il mio PIN",
        "codice di sicurezza <CVV:737>",
        "numero di conto: <ACCOUNT:12345678>",
        "ABI <SORT_CODE:03069> CAB <SORT_CODE:01234>",
        "chiamami al cellulare <PHONE:347 1234567>",
    ],
    "pt": [
        "o meu PIN é <PIN:4821>",
        "senha <PIN:4821>",
        "<PIN:4821> é o meu PIN",
        "código de segurança: <CVV:737>",
        "conta <ACCOUNT:12345678>",
        "agência <SORT_CODE:1234>",
        "telemóvel <PHONE:912 345 678>",
        "CPF <SSN:123.456.789-09>",
    ],
    "nl": [
        "mijn pincode is <PIN:4821>",
        "<PIN:4821> is mijn pincode",
        "beveiligingscode <CVV:737>",
        "rekeningnummer <ACCOUNT:12345678>",
        "bankcode <SORT_CODE:12345>",
        "bel me op <PHONE:0612345678>",
        "BSN <SSN:123456782>",
    ],
    "pl": [
        "mój PIN to <PIN:4821>",
        "kod PIN: <PIN:4821>",
        "<PIN:4821> to mój PIN",
        "kod bezpieczeństwa <CVV:737>",
        "numer konta <ACCOUNT:12345678>",
        "rachunek nr <ACCOUNT:12345678>",
        "kod banku <SORT_CODE:10901014>",
        "telefon: <PHONE:601 234 567>",
        "PESEL <SSN:85010112345>",
    ],
}
LOOK_ALIKES = {
    "de": [
        "PIN vergessen 2024?",
        "Meine PIN geht seit 2024 nicht",
        "Auf dem Konto sind 250000 Euro",
        "Rechnung 12345678",
        "Konto eröffnet am 01.04.2019",
        "die PIN hat 4 Ziffern",
        "Transfer 250000 to my account",
    ],
    "es": [
        "olvidé mi PIN en 2024",
        "transfiere 250000 a la cuenta",
        "en la cuenta hay 250000 pesos",
        "pedido 12345678",
    ],
    "fr": [
        "j'ai oublié mon PIN en 2024",
        "le solde du compte : 250000 euros",
        "facture 12345678",
        "compte ouvert le 01/04/2019",
    ],
    "it": ["PIN dimenticato nel 2024", "sul conto ho 250000 euro", "fattura 12345678", "conto aperto il 01.04.2019"],
    "pt": ["esqueci o PIN em 2024", "a conta tem 250000 reais", "fatura 12345678", "conta aberta em 01/04/2019"],
    "nl": ["pincode vergeten in 2024", "op mijn rekening staat 250000 euro", "factuur 12345678", "PIN sinds 2024 stuk"],
    "pl": ["zapomniałem PIN w 2024", "na koncie mam 250000 zł", "faktura 12345678", "konto od 01.04.2019"],
}
CASES = [(language, text) for language, texts in MASKED.items() for text in texts]
ALIKE = [text for texts in LOOK_ALIKES.values() for text in texts]


@pytest.mark.parametrize("spell", [str, without_accents], ids=["accents", "plain"])
@pytest.mark.parametrize(("language", "case"), CASES)
def test_words_of_the_language_tell_the_number(masker: Masker, language: str, case: str, spell) -> None:
    parts = re.split(r"<([A-Z_]+):([^>]+)>", spell(case))
    text = "".join(part for place, part in enumerate(parts) if place % 3 != 1)
    wanted = "".join(f"<{part}>" if place % 3 == 1 else part for place, part in enumerate(parts) if place % 3 != 2)
    assert masker.redact(text) == streamed(masker, text) == wanted


@pytest.mark.parametrize("text", ALIKE)
def test_years_amounts_and_dates_stay(masker: Masker, text: str) -> None:
    assert masker.redact(text) == streamed(masker, text) == text


def test_letters_lose_their_accents_in_place() -> None:
    assert without_accents("Prüfnummer, número, złoty, Ærø 12") == "Prufnummer, numero, zloty, Ærø 12".replace("ø", "o")

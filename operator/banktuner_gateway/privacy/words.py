"""What numbers are called in German, Spanish, French, Italian, Portuguese, Dutch and Polish; spelled without accents.

Words of the languages stand side by side: what one language calls a PIN is hardly another's word before four digits.
"""

import unicodedata

# letters with a stroke are letters of their own for Unicode
_FOLDED = {0x141: "L", 0x142: "l", 0xD8: "O", 0xF8: "o", 0x110: "D", 0x111: "d"}
_FOLDED |= {
    code: base
    for code in range(0xC0, 0x250)
    if (base := unicodedata.normalize("NFD", chr(code))[0]).isascii() and base.isalpha()
}


def without_accents(text: str) -> str:
    """Latin letters without their accents, character by character: places stay."""
    return text if text.isascii() else text.translate(_FOLDED)


NAMES = {
    "ACCOUNT": r"(?:giro|spar|bank|gehalts|firmen)?kont(?:o|os|en|a|u|em)|ctas?|cuentas?|c/c|comptes?|cpte|cont[oi]|"
    r"contas?|(?:bank|spaar)?rekening|koncie|rachun(?:ek|ku|kiem)",
    # of domestic transfers; what English calls a sort code has its own form
    "BANK_CODE": r"bank[\s_-]?codes?|branch[\s_-]?codes?|blz|bankleitzahl|agencia|"
    r"codigo\s(?:del?\s|do\s|da\s)?(?:banco|entidad|oficina|sucursal)|code\s(?:banque|guichet)|abi|cab|kod\sbanku",
    "ROUTING": r"ruta|acheminement|roteamento",
    "CVV": r"(?:karten)?prue?f(?:nummer|ziffer|zahl)|sicherheits(?:code|nummer)|codigo\sde\ssegur(?:idad|anca)|"
    r"cryptogramme(?:\svisuel)?|code\sde\ssecurite|codice\sdi\ssicurezza|(?:be)?veilig(?:ings|heids)code|"
    r"kod\s(?:bezpieczenstwa|zabezpieczajacy)",
    "PIN": r"geheim(?:zahl|nummer|code)|codigo\s(?:pin|secreto)|clave(?:\ssecreta)?|contrasena|nip|mon\scode|"
    r"code\s(?:pin|secret|confidentiel)|codice\s(?:pin|segreto)|mio\scodice|senha|kod\spin|pinem",
    # social security and what other countries have in its place, each with its own count of digits
    "NATIONAL": r"sozialversicherungs(?:nummer|nr)|svnr|segur(?:idad|o)\ssocial|nuss|securite\ssociale|secu|"
    r"previdenza\ssociale|seguranca\ssocial|niss|cpf|bsn|burgerservice|sofi|pesel",
    "PHONE": r"(?:mobil)?telefon(?:es?|os?|u|em)?|telefoon|handy|mobil|ruf|festnetz|erreichbar|anrufen|movil|celular|"
    r"llam(?:ar|ame|eme|en)|telephones?|portable|appel(?:er|ez|le)|joindre|joignable|cellulare|chiam(?:ami|are|ate)|"
    r"telemovel|lig(?:ar|ue|uem)|mobiel|bel(?:len|t)?|komork[aie]|zadzwon|dzwonic",
    "OTHER": r"bestell(?:ung)?|rechnungs?|referenz|vorgangs?|betrag|jahr|fehler|seite|pedidos?|facturas?|referencias?|"
    r"importe|saldo|ano|factures?|commandes?|montant|solde|annee|erreur|ordin[ei]|fattur[ae]|riferimento|importo|"
    r"anno|encomendas?|faturas?|valor|bestelling|factuur|kenmerk|bedrag|jaar|zamowieni[ea]|faktur[ay]|kwot[ay]|roku?",
    "DAY": r"seit|desde|hasta|depuis|sinds",
}
GLUE = """
    ist sind war lautet meine meiner meinen meinem mein ihre die der das den dem nummer nr von fur und zu zur karte
    es son era mi mis tu su el la los las del de numero num y con para tarjeta bancaria bancario corriente
    est etait ma mon mes votre le les du et carte bancaire courant un une secret secrete confidentiel secreto segreto
    e sono il mio mia lo di della per carta corrente
    sao o meu minha sua do da com cartao poupanca
    mijn het van voor met kaart
    to jest moj moja moje mojego mojej numer dla karty bankowe bankowego bankowy
"""
COPULAS = "ist war es era est e is jest to"
OWNERS = "mein meine die das mi el la mon ma le il mio mia meu minha o a mijn het moj moja moje moim"
"""What leads on to the name after the number: "… ist meine PIN"."""
UNITS = (
    r"euro|pln|zl|zlotych|reais|brl|pesos|ziffern|stellen|digitos|chiffres|cifre|cijfers|cyfr[ay]?|jahren?|anos|ans|"
    r"anni|jaar|lat|tagen?|dias|jours|giorni|dagen|dni|punkte|puntos|mal|veces|fois|volte|vezes|keer|razy|prozent"
)

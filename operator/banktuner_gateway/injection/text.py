"""One spelling for every text: what looks the same, or is not seen at all, is the same before any rule reads it."""

import re
import unicodedata

_SMALL_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+")
"""Chinese and Japanese write no spaces: each of their characters is a word, and a word of theirs a phrase."""
_KEPT_CONTROLS = "\n\t"

_CYRILLIC = ("авсԁеһіјкӏмнорԛгѕтуѵѡхпи", "abcdehijklmhopqrstyvwxnu")
_GREEK = ("αβεζηικνορτυχγω", "abeznikvoptuxyw")
_LATIN = ("ıɩɪłʟøđɑɡɢᴀʙᴄᴅᴇʜᴊᴋᴍɴᴏᴘʀᴛᴜᴠᴡʏᴢ", "iiillodaggabcdehjkmnoprtuvwyz")
_LOOKALIKES = str.maketrans(*map("".join, zip(_CYRILLIC, _GREEK, _LATIN, strict=True)))
"""Letters that are read as Latin ones, after folding: a choice from Unicode's confusables (UTS 39)."""


def visible(text: str) -> str:
    """NFKC, without what nobody sees: control, format, surrogate and private characters. Line breaks and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    kept = (char for char in unicodedata.normalize("NFKC", text) if char in _KEPT_CONTROLS or not _unseen(char))
    return "".join(kept)


def folded(text: str) -> str:
    """Of `visible` text: no case, no accents or other marks; words written together AsInNames are parted."""
    spread = _SMALL_WORDS.sub(" ", text).casefold()
    if spread.isascii():
        return spread
    spread = unicodedata.normalize("NFKD", spread)
    plain = "".join(char for char in spread if unicodedata.category(char)[0] != "M")
    return unicodedata.normalize("NFC", plain)


def skeleton(text: str) -> str:
    """Of `folded` text: letters of other scripts as the Latin ones that they look like."""
    return text.translate(_LOOKALIKES)


def words(text: str) -> list[str]:
    """Of `folded` text, without punctuation."""
    return _WORD.findall(text)


def hidden_tags(text: str) -> str:
    """What the invisible tag characters of Unicode spell, if there are any (U+E0020 to U+E007E mirror ASCII)."""
    return "".join(chr(ord(char) - 0xE0000) for char in text if 0xE0020 <= ord(char) <= 0xE007E)


def _unseen(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn")

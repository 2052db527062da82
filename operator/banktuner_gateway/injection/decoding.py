"""Finds and decodes what a text carries in another writing: base64, base32, hex, binary, character codes, escapes.

Every pattern takes linear time (no repetition of what can match in two ways), and no decoding makes a text longer.
"""

import base64
import binascii
import html
import re
import urllib.parse
from collections.abc import Callable, Iterator

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,2}")
_BASE32 = re.compile(r"[A-Z2-7]{16,}={0,6}")
_HEX = re.compile(r"(?:(?:\\x|0x)?[0-9a-fA-F]{2}[ :,]?){8,}")
_HEX_MARKS = re.compile(r"\\x|0x|[^0-9a-fA-F]")
_BINARY = re.compile(r"(?:[01]{8} ?){4,}")
_CODES = re.compile(r"(?:\d{2,3}[ ,]{1,2}){5,}\d{2,3}")
_UNICODE_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_QUOTES_JOINED = re.compile(r"[\"'`]\s{0,3}[+.,;|&]?\s{0,3}(?:[A-Za-z]\w{0,15}\s{0,2}={1,2}\s{0,2})?[\"'`]")
READABLE_SHARE = 0.9


def decoded_parts(text: str) -> Iterator[str]:
    """Each readable text that a part of `text` decodes to, and `text` itself with its escapes undone."""
    for pattern, decode in _DECODERS:
        for match in pattern.finditer(text):
            plain = _readable(decode, match.group())
            if plain:
                yield plain
    undone = html.unescape(urllib.parse.unquote(_UNICODE_ESCAPE.sub(_character, text)))
    if undone != text:
        yield undone


def joined_quotes(text: str) -> str:
    """String constants that are put together, as one: 'ab' + 'cd', and x='ab'; y='cd'."""
    return _QUOTES_JOINED.sub("", text)


def _readable(decode: Callable[[str], bytes], found: str) -> str | None:
    try:
        plain = decode(found).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    readable = sum(char.isalnum() or char.isspace() or char in ".,:;!?'\"()-_=+/<>|[]{}#" for char in plain)
    return plain if len(plain) >= 6 and readable >= READABLE_SHARE * len(plain) else None


def _base64(found: str) -> bytes:
    body = found.rstrip("=").replace("-", "+").replace("_", "/")
    return base64.b64decode(body[: len(body) - (len(body) % 4 == 1)] + "=" * (-len(body) % 4))


def _base32(found: str) -> bytes:
    body = found.rstrip("=")
    return base64.b32decode(body + "=" * (-len(body) % 8))


def _hex(found: str) -> bytes:
    return bytes.fromhex(_HEX_MARKS.sub("", found))


def _binary(found: str) -> bytes:
    return bytes(int(octet, 2) for octet in re.findall("[01]{8}", found))


def _codes(found: str) -> bytes:
    return bytes(int(code) for code in re.findall(r"\d+", found))


def _character(escape: re.Match[str]) -> str:
    return chr(int(escape.group(1), 16))


_DECODERS: tuple[tuple[re.Pattern[str], Callable[[str], bytes]], ...] = (
    (_BASE64, _base64),
    (_BASE32, _base32),
    (_HEX, _hex),
    (_BINARY, _binary),
    (_CODES, _codes),
)

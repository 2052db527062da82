"""Chat templates' control tokens and role headers: found, and broken up so that a text can never close its turn.

No pattern repeats what can match in two ways, so that each takes time linear in the text.
"""

import re

from banktuner_gateway.injection.text import visible

_NAMES = (
    "s|bos|eos|unk|pad|mask|sep|cls|sop|eop|gmask|start_of_turn|end_of_turn|start_of_image|end_of_image|think|tool_call|"
    "tool_response|tools|function_calls?|function_results?|tool_use|extra_id_[0-9]{1,3}|reserved_[0-9]{1,4}|"
    "unused[0-9]{1,4}|0x[0-9a-f]{2}|sys|system|system_prompt|instructions?|user|assistant|human|admin|user_input|"
    "longcat_[a-z]{1,10}|turn|fim_prefix|fim_suffix|fim_middle|endoftext"
)
_SQUARE = (
    "inst|system_prompt|available_tools|tool_calls|tool_results|tool_content|args|call_id|prefix|middle|suffix|img|"
    "img_end|img_break|gmask|cls|sep|mask|pad|unk|bos|eos|begin_of_[a-z]{1,12}|end_of_[a-z]{1,12}|sop|eop"
)
_ROLES = "system|user|human|assistant|ai|model|bot|instructions?|input|response|developer|tool|observation"
_I = re.IGNORECASE

BARS = re.compile(r"<[ \t]?\||\|[ \t]?>")
ANGLED = re.compile(rf"<(?=[ \t]?/?[ \t]?(?:{_NAMES})[ \t]?/?>)|<<(?=/?SYS>>)|<(?=!--)", _I)
SQUARED = re.compile(rf"\[(?=[ \t]?/?[ \t]?(?:{_SQUARE})[ \t]?\])", _I)
HASHES = re.compile(rf"#{{2,6}}(?=[ \t]{{0,4}}(?:{_ROLES})\b)", _I)
HEADER = re.compile(rf"^(?=[ \t]{{0,8}}(?:{_ROLES})[ \t]?:)", _I | re.M)

_GAP = "[ \t]?"
_NO_HTML = "|".join(name for name in _NAMES.split("|") if name not in ("s", "mask", "user", "human"))
"""Names that no customer's quoted web page has as a tag."""
_TOKENS = (
    rf"<{_GAP}\|{_GAP}[a-z_▁ ]{{1,32}}{_GAP}\|{_GAP}>",
    rf"<{_GAP}/?{_GAP}(?:{_NO_HTML}){_GAP}>",
    rf"<<{_GAP}/?SYS{_GAP}>>",
    rf"\[{_GAP}/?{_GAP}(?:inst|system_prompt|available_tools|tool_calls|tool_results){_GAP}\]",
    r"</s>[ \t\n]?[<\[]",
)
_HEADERS = (
    r"^[ \t]{0,8}#{2,6}[ \t]{0,4}(?:system|instructions?|response|assistant|user|human)[ \t]?:",
    r"^[ \t]{0,8}`{3}[ \t]?system\b",
    r"-{3,9}[ \t]?(?:begin|end)(?: of)? (?:system|user) [a-z]{4,9}",
)
_JSON_ROLE = r"[\"']role[\"']\s{0,4}:\s{0,4}[\"'](?:system|developer|assistant|tool)[\"']"
_FOUND = (
    ("INJ-060", "forges control tokens of a chat template", re.compile("|".join(_TOKENS), _I)),
    ("INJ-061", "forges a role header", re.compile("|".join(_HEADERS), _I | re.M)),
    ("INJ-062", "forges a message in JSON", re.compile(_JSON_ROLE, _I)),
)
_SPEAKER = re.compile(r"(?:^|[\s\[>])(user|human|customer|q)[\]:>]\s", _I | re.M)
_ANSWERER = re.compile(r"(?:^|[\s\[>])(?:assistant|ai|bot|model|a)[\]:>](?:\s|$)", _I | re.M)
_ORDERED = re.compile(
    r"\bSYSTEM ?(?:PROMPT|MESSAGE|NOTE|OVERRIDE)?:(?!\s{0,3}['\"]?\s{0,3}(?:out of|error|offline|code|status))"
)
FORGED_TURNS = 3


def forged(text: str) -> list[tuple[str, str]]:
    """(id, explanation) of each rule about markers that `visible` text breaks."""
    found = [(rule, why) for rule, why, pattern in _FOUND if pattern.search(text)]
    answers = len(_ANSWERER.findall(text))
    if answers and len(_SPEAKER.findall(text)) + answers >= FORGED_TURNS:
        found.append(("INJ-063", "forges a conversation"))
    if _ORDERED.search(text):
        found.append(("INJ-064", "forges a system message"))
    return found


def neutral(text: str) -> str:
    """`text` so that no tokenizer and no textual template reads a control token or a role header in it.

    For a customer's and for retrieved text. Characters that nobody sees are left out, a space goes into each token,
    and a line that begins with a role is quoted. Neutral text stays as it is.
    """
    # First the hashes: what takes their place may follow a bar.
    seen = HASHES.sub(">", visible(text))
    seen = BARS.sub(lambda match: " ".join(match.group().replace(" ", "").replace("\t", "")), seen)
    seen = ANGLED.sub(lambda match: match.group() + "\u00b7", seen)
    seen = SQUARED.sub("[\u00b7", seen)
    return HEADER.sub("> ", seen)

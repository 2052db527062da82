"""Markdown: headings (# and underlined) make the sections; everything else stays as it is written."""

import re

from banktuner_gateway.retrieval.readers.common import decode
from banktuner_gateway.retrieval.readers.outline import Outline
from banktuner_gateway.retrieval.types import Section

_HEADING = re.compile(r" {0,3}(#{1,6})\s+(.*?)(?:\s+#+)?\s*$")
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})\s*$")
_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def read_markdown(data: bytes) -> tuple[str, list[Section]]:
    """Title (the first heading of level 1, if it is the first of all) and sections. Raises UnreadableError."""
    text = _FRONT_MATTER.sub("", decode(data).replace("\r\n", "\n"))
    outline = Outline()
    fence = ""
    # A comment is not shown to readers, so it must not speak to the model either.
    for line in _COMMENT.sub("", text).split("\n"):
        mark = _FENCE.match(line)
        if mark:
            fence = "" if fence and mark.group(1).startswith(fence) else fence or mark.group(1)
        if fence or not _take_heading(line, outline):
            outline.text(line)
    return outline.finish()


def _take_heading(line: str, outline: Outline) -> bool:
    if found := _HEADING.match(line):
        outline.heading(len(found.group(1)), found.group(2))
        return True
    if (found := _UNDERLINE.match(line)) and (above := outline.take_last_line()):
        outline.heading(1 if found.group(1).startswith("=") else 2, above)
        return True
    return False

"""HTML: h1 to h6 make the sections; scripts, styles, navigation and what a browser would not show are left out."""

from html.parser import HTMLParser

from banktuner_gateway.retrieval.readers.common import decode
from banktuner_gateway.retrieval.readers.outline import Outline
from banktuner_gateway.retrieval.types import Section

_LEFT_OUT = frozenset({"script", "style", "template", "noscript", "svg", "nav", "iframe", "object", "select", "button"})
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "body", "br", "dd", "div", "dl", "dt", "figcaption", "footer"}
    | {"header", "hr", "li", "main", "ol", "p", "pre", "section", "table", "tbody", "tfoot", "thead", "tr", "ul"}
)
_CELLS = frozenset({"td", "th"})
_CLOSED_BY_ITS_LIKE = frozenset({"li", "tr", "td", "th", "dd", "dt"})
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)


class _Reader(HTMLParser):
    """Feeds an Outline; holds the names of the open elements since the first that is left out."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.outline = Outline()
        self.page_title = ""
        self._hidden: list[str] = []
        self._heading: list[str] | None = None
        self._in_title = False
        self._line: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See HTMLParser."""
        if tag in _VOID:
            if tag in _BLOCKS:
                self._end_line()
            return
        if self._hidden and _closes(self._hidden[-1], tag):
            self._hidden.pop()
        if self._hidden or tag in _LEFT_OUT or _is_hidden(dict(attrs)):
            self._hidden.append(tag)
        elif tag == "title":
            self._in_title = True
        elif tag in _HEADINGS:
            self._end_line()
            self._heading = []
        elif tag in _BLOCKS:
            self._end_line()

    def handle_endtag(self, tag: str) -> None:
        """See HTMLParser."""
        if self._hidden == ["p"] and tag in _BLOCKS:
            self._hidden = []
        if self._hidden:
            if tag in self._hidden:
                del self._hidden[len(self._hidden) - 1 - self._hidden[::-1].index(tag) :]
        elif tag == "title":
            self._in_title = False
        elif tag in _HEADINGS and self._heading is not None:
            self.outline.heading(_HEADINGS[tag], " ".join("".join(self._heading).split()))
            self._heading = None
        elif tag in _CELLS:
            self._line.append(" | ")
        elif tag in _BLOCKS:
            self._end_line()

    def handle_data(self, data: str) -> None:
        """See HTMLParser."""
        if self._hidden:
            return
        if self._in_title:
            self.page_title += data
        elif self._heading is not None:
            self._heading.append(data)
        else:
            self._line.append(data)

    def finish(self) -> tuple[str, list[Section]]:
        """Title (the first h1, else the page's) and sections."""
        self.close()
        self._end_line()
        title, sections = self.outline.finish()
        return title or self.page_title, sections

    def _end_line(self) -> None:
        line = " ".join("".join(self._line).split()).removesuffix(" |")
        if line:
            self.outline.text(line)
        self._line = []


def _closes(last: str, tag: str) -> bool:
    """Whether a browser ends the open element `last`, whose end tag may be left out, where `tag` begins."""
    return (last == "p" and tag in _BLOCKS | set(_HEADINGS)) or (last == tag and tag in _CLOSED_BY_ITS_LIKE)


def _is_hidden(attributes: dict[str, str | None]) -> bool:
    style = (attributes.get("style") or "").replace(" ", "").lower()
    hidden_by_style = "display:none" in style or "visibility:hidden" in style or "font-size:0" in style
    return "hidden" in attributes or attributes.get("aria-hidden") == "true" or hidden_by_style


def read_html(data: bytes) -> tuple[str, list[Section]]:
    """Title and sections of a page in UTF-8. Raises UnreadableError, AssertionError, ValueError."""
    reader = _Reader()
    reader.feed(decode(data))
    return reader.finish()

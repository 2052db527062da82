"""Collects headings and text in their order and makes sections of them."""

from banktuner_gateway.retrieval.types import Section


class Outline:
    """One a document. The first heading is the title when it is of level 1 and no text came before it."""

    def __init__(self) -> None:
        self._title = ""
        self._above: list[tuple[int, str]] = []
        self._lines: list[str] = []
        self._sections: list[Section] = []

    def heading(self, level: int, text: str) -> None:
        """A heading of level 1 to 6: what follows is below it."""
        begun = self._sections or self._above or any(line.strip() for line in self._lines)
        self._close()
        if level == 1 and not self._title and not begun:
            self._title = text.strip()
            return
        while self._above and self._above[-1][0] >= level:
            self._above.pop()
        self._above.append((level, text.strip()))

    def text(self, line: str) -> None:
        """A line of text."""
        self._lines.append(line)

    def take_last_line(self) -> str:
        """The line of text just before, taken back; empty where there is none or it ends no paragraph of one line."""
        if not self._lines or not self._lines[-1].strip() or (len(self._lines) > 1 and self._lines[-2].strip()):
            return ""
        return self._lines.pop().strip()

    def finish(self) -> tuple[str, list[Section]]:
        """Title and sections."""
        self._close()
        return self._title, self._sections

    def _close(self) -> None:
        text = "\n".join(self._lines)
        if text.strip():
            self._sections.append(Section(tuple(name for _, name in self._above if name), text))
        self._lines = []

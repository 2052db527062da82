"""Writes formats/fees.html and formats/fees.pdf from policies/fees.md, for readers of those formats. Needs pypdf."""

import html
import re
import textwrap
from pathlib import Path

from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

HERE = Path(__file__).resolve().parent
LINES_A_PAGE = 60


def as_html(markdown: str) -> str:
    """Headings, lists, tables and paragraphs."""
    parts = []
    for block in markdown.strip().split("\n\n"):
        if found := re.match(r"(#+) (.*)", block):
            level = len(found.group(1))
            parts.append(f"<h{level}>{html.escape(found.group(2))}</h{level}>")
        elif block.startswith("- "):
            entries = block.removeprefix("- ").split("\n- ")
            parts.append("<ul>\n" + "\n".join(f"<li>{html.escape(one)}</li>" for one in entries) + "\n</ul>")
        elif block.startswith("|"):
            rows = [line.strip("|").split("|") for line in block.split("\n") if not line.startswith("|---")]
            cells = ["".join(f"<td>{html.escape(cell.strip())}</td>" for cell in row) for row in rows]
            parts.append("<table>\n" + "\n".join(f"<tr>{row}</tr>" for row in cells) + "\n</table>")
        else:
            parts.append(f"<p>{html.escape(block)}</p>")
    title = html.escape(markdown.split("\n")[0].removeprefix("# "))
    head = f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{title}</title></head>\n<body>\n'
    return head + "\n".join(parts) + "\n</body>\n</html>\n"


def as_pdf(markdown: str) -> PdfWriter:
    """Pages of lines in Helvetica."""
    lines = []
    for line in markdown.splitlines():
        if not line.startswith("|---"):
            lines += textwrap.wrap(line.lstrip("# "), 100) or [""]
    writer = PdfWriter()
    font = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica", "/Encoding": "/WinAnsiEncoding"}
    for first in range(0, len(lines), LINES_A_PAGE):
        page = writer.add_blank_page(612, 792)
        entries = DictionaryObject({NameObject(key): NameObject(value) for key, value in font.items()})
        fonts = DictionaryObject({NameObject("/F1"): writer._add_object(entries)})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        shown = [re.sub(r"([\\()])", r"\\\1", line) for line in lines[first : first + LINES_A_PAGE]]
        content = DecodedStreamObject()
        body = " T*\n".join(f"({line}) Tj" for line in shown)
        content.set_data(f"BT /F1 10 Tf 12 TL 50 750 Td\n{body}\nET".encode("cp1252"))
        page[NameObject("/Contents")] = writer._add_object(content.flate_encode())
    writer.add_metadata({"/Title": markdown.split("\n")[0].removeprefix("# ")})
    return writer


if __name__ == "__main__":
    source = (HERE / "policies" / "fees.md").read_text(encoding="utf-8")
    (HERE / "formats").mkdir(exist_ok=True)
    (HERE / "formats" / "fees.html").write_text(as_html(source), encoding="utf-8")
    as_pdf(source).write(HERE / "formats" / "fees.pdf")

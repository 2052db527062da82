"""PDF: a section a page, by pypdf, which decompresses within bounds."""

import io
import logging

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from banktuner_gateway.retrieval.readers.common import UnreadableError
from banktuner_gateway.retrieval.types import Section

LARGEST_PAGES = 1000
# It warns of each oddity of a file; what matters ends as UnreadableError.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)


def read_pdf(data: bytes) -> tuple[str, list[Section]]:
    """Title (of the metadata) and pages. Raises UnreadableError."""
    try:
        return _read(data)
    # pypdf raises errors of many types, RecursionError among them, for files that are not what they should be.
    except (PyPdfError, ValueError, TypeError, KeyError, IndexError, AttributeError, OSError, RecursionError) as error:
        raise UnreadableError(f"is not a PDF that can be read ({type(error).__name__})") from None


def _read(data: bytes) -> tuple[str, list[Section]]:
    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted:
        raise UnreadableError("is encrypted")
    if len(reader.pages) > LARGEST_PAGES:
        raise UnreadableError(f"has more than {LARGEST_PAGES} pages")
    pages = [Section((f"page {number}",), page.extract_text()) for number, page in enumerate(reader.pages, start=1)]
    title = reader.metadata.title if reader.metadata else None
    return title or "", pages

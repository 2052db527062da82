"""PDF: a section a page, by pypdf, which decompresses within bounds."""

import io
import logging

from pypdf import PdfReader

from banktuner_gateway.retrieval.readers.common import UnreadableError
from banktuner_gateway.retrieval.types import Section

LARGEST_PAGES = 1000
# It warns of each oddity of a file; what matters ends as UnreadableError.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)


def read_pdf(data: bytes) -> tuple[str, list[Section]]:
    """Title (of the metadata) and pages. Raises UnreadableError, and errors of many types for what is no PDF."""
    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted:
        raise UnreadableError("is encrypted")
    if len(reader.pages) > LARGEST_PAGES:
        raise UnreadableError(f"has more than {LARGEST_PAGES} pages")
    pages = [Section((f"page {number}",), page.extract_text()) for number, page in enumerate(reader.pages, start=1)]
    title = reader.metadata.title if reader.metadata else None
    return title or "", pages

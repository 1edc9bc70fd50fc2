"""Reading an article page: text, title, authors, time, language, in a subprocess that can be killed."""

from services.ingest.extraction.model import Extracted
from services.ingest.extraction.pool import ExtractorPool, PoolBroken

__all__ = ["Extracted", "ExtractorPool", "PoolBroken"]

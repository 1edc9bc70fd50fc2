"""Cursors of lists: where a page stopped, as text that a client hands back and does not read."""

import base64
import binascii
import math
import struct
from uuid import UUID

from services.publish.read import Page

PATTERN = r"^(?:[A-Za-eg-z0-9-][A-Za-z0-9_-]|[f_][A-Za-z0-9-])[A-Za-z0-9_-]{30}$"
"""What every cursor looks like: 24 bytes in base64url; the first twelve bits are never all ones, since the rank is a number."""
_FORM = struct.Struct(">d16s")


def write_cursor(page: Page) -> str:
    """Write a place in a list as 32 characters."""
    return base64.urlsafe_b64encode(_FORM.pack(page.rank, page.story_id.bytes)).decode("ascii")


def read_cursor(text: str) -> Page | None:
    """Read a cursor; None where it is not one of ours."""
    try:
        rank, story_id = _FORM.unpack(base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, struct.error):
        return None
    return Page(rank, UUID(bytes=story_id)) if math.isfinite(rank) else None

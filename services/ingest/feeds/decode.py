"""From the bytes of a document to its characters, whatever it declares.

Order of belief: a byte-order mark, the shape of UTF-16 and UTF-32, valid UTF-8 (which other encodings hardly ever are by chance),
the HTTP charset, the XML or HTML declaration, statistics, windows-1252.
"""

import codecs
import re
import zlib
from dataclasses import dataclass

import charset_normalizer

from shared.errors import Refused

_DECLARED = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']\s*([A-Za-z0-9._:-]{2,40})\s*["']""")
_HTML_DECLARED = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9._:-]{2,40})""", re.IGNORECASE)
_CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([A-Za-z0-9._:-]{2,40})""", re.IGNORECASE)
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SHAPES = (
    (re.compile(rb"^<\0\0\0"), "utf-32-le"),
    (re.compile(rb"^\0\0\0<"), "utf-32-be"),
    (re.compile(rb"^[<{\s]\0[^\0]\0"), "utf-16-le"),
    (re.compile(rb"^\0[<{\s]\0[^\0]"), "utf-16-be"),
    (re.compile(rb"^\x4c\x6f\xa7\x94"), "cp037"),
)
_WIDER = {
    "ascii": "cp1252", "us-ascii": "cp1252", "iso-8859-1": "cp1252", "iso8859-1": "cp1252", "latin-1": "cp1252", "latin1": "cp1252",
    "iso-8859-9": "cp1254", "iso-8859-11": "cp874", "tis-620": "cp874", "gb2312": "gb18030", "gb_2312-80": "gb18030", "gbk": "gb18030",
    "x-gbk": "gb18030", "shift_jis": "cp932", "shift-jis": "cp932", "x-sjis": "cp932", "sjis": "cp932", "euc-kr": "cp949",
    "ks_c_5601-1987": "cp949", "big5": "big5hkscs", "x-mac-roman": "mac-roman", "macintosh": "mac-roman",
    "csmacintosh": "mac-roman", "mac": "mac-roman", "ms-cyrl": "cp1251", "x-cp1251": "cp1251", "x-cp1250": "cp1250", "x-cp1252": "cp1252",
    "windows-31j": "cp932", "x-ms-cp932": "cp932", "windows-949": "cp949", "ks_c_5601": "cp949", "ksc5601": "cp949", "x-euc-jp": "euc_jp",
    "x-gb2312": "gb18030", "cn-gb": "gb18030", "x-big5": "big5hkscs", "cn-big5": "big5hkscs", "unicode-1-1-utf-8": "utf-8",
    "logical": "iso-8859-8", "iso-8859-8-i": "cp1255", "iso-8859-8": "cp1255", "iso-8859-6": "cp1256", "visual": "cp1255", "koi": "koi8-r",
    "dos-874": "cp874", "windows-874": "cp874", "sun_eu_greek": "iso-8859-7", "ansi_x3.4-1968": "cp1252", "iso_8859-1": "cp1252",
}  # fmt: skip
"""What a declared name means in the wild (WHATWG Encoding), wider than its standard."""
_SEVEN_BIT = ("iso-2022", "hz", "utf-7")
"""Encodings whose bytes are all ASCII, so that they pass for UTF-8."""
_NEVER_GUESSED = (
    "cp037", "cp1026", "cp273", "cp500", "cp424", "cp1140", "cp875", "cp1125", "cp437", "cp720", "cp737", "cp775", "cp850", "cp852",
    "cp855", "cp857", "cp858", "cp860", "cp861", "cp862", "cp863", "cp864", "cp865", "cp869", "mac_latin2", "mac_iceland",
)  # fmt: skip
"""Encodings of terminals and mainframes, in which nobody publishes."""
_FEW_BYTES = 16
_MAX_GZIP_MEMBERS = 100


@dataclass(frozen=True, slots=True)
class Decoded:
    """A document's characters and the encoding that gave them; `flaw` tells where it is not the declared one."""

    text: str
    encoding: str
    flaw: str | None = None


def decode(body: bytes, content_type: str | None) -> Decoded:
    """Decode a document. Never raises for bad bytes: what can't be decoded becomes U+FFFD."""
    for bom, encoding in _BOMS:
        if body.startswith(bom):
            return Decoded(body[len(bom) :].decode(encoding, "replace"), encoding)
    for shape, encoding in _SHAPES:
        if shape.match(body):
            return Decoded(body.decode(encoding, "replace"), encoding)
    in_http = _charset_of(content_type)
    head = body[:1_024]
    in_document = _name(_DECLARED.match(head)) or _name(_HTML_DECLARED.search(head))
    declared = in_http or in_document
    for name in (in_http, in_document):
        if name and name.startswith(_SEVEN_BIT) and name != "utf-7" and (text := _try(body, name)) is not None:
            return Decoded(text, name)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        flawed = declared not in (None, "utf-8", "utf8") and not text.isascii()
        return Decoded(text, "utf-8", f"declared {declared}, but it is utf-8" if flawed else None)
    for name in (in_http, in_document):
        # a declaration that could be read as ASCII is not in a wide encoding, whatever it says
        if (
            name
            and not name.startswith(("utf-16", "utf-32", "ucs", "utf16", "utf-8", "utf8", "iso-10646"))
            and (text := _try(body, name)) is not None
        ):
            return Decoded(text, name)
    guessed = _guess(body)
    if declared in ("utf-8", "utf8") and _mostly_utf8(body):
        return Decoded(body.decode("utf-8", "replace"), "utf-8", "holds bytes that are not utf-8")
    return Decoded(body.decode(guessed, "replace"), guessed, f"declared {declared or 'nothing'}, read as {guessed}")


def gunzipped(body: bytes, limit_bytes: int) -> bytes:
    """Unpack a body that is itself a gzip file (sitemap.xml.gz). Raises `Refused` (too_large, damaged)."""
    if not body.startswith(b"\x1f\x8b"):
        return body
    unpacked = bytearray()
    rest = body
    for _ in range(_MAX_GZIP_MEMBERS):
        member = zlib.decompressobj(wbits=31)
        try:
            unpacked += member.decompress(rest, limit_bytes + 1 - len(unpacked))
        except zlib.error as error:
            raise Refused("damaged", f"not a valid gzip file: {error}") from error
        if len(unpacked) > limit_bytes:
            raise Refused("too_large", f"more than {limit_bytes} bytes when unpacked")
        if not member.eof:
            if not unpacked:
                raise Refused("damaged", "not a whole gzip file")
            break  # cut off: what is there may do
        rest = member.unused_data.lstrip(b"\0")
        if not rest.startswith(b"\x1f\x8b"):
            break
    return bytes(unpacked)


def _charset_of(content_type: str | None) -> str | None:
    found = _CHARSET.search(content_type) if content_type and len(content_type) < 500 else None
    return found.group(1).lower() if found else None


def _name(found: re.Match[bytes] | None) -> str | None:
    return found.group(1).decode("ascii").lower() if found else None


def _try(body: bytes, name: str) -> str | None:
    try:
        info = codecs.lookup(_WIDER.get(name, name))
        if not getattr(info, "_is_text_encoding", True):
            return None  # "base64", "zip" and the like: a declared bomb
        return body.decode(info.name)
    except (LookupError, UnicodeError, ValueError):
        pass
    if _WIDER.get(name) == "cp1252":
        return body.decode("cp1252", "replace") if body.count(b"\x81") + body.count(b"\x9d") < 5 else body.decode("latin-1")
    return None


def _guess(body: bytes) -> str:
    runs = re.findall(rb"[\x80-\xff]+", body[:200_000])
    high = sum(map(len, runs))
    # Latin scripts have a letter with an accent here and there, other scripts whole words; few bytes prove nothing
    if not runs or high < _FEW_BYTES or (high < 2.5 * len(runs) and high < 64):
        return "cp1252"
    sample = b" ".join(re.findall(rb"[\x80-\xff][^<>]{0,200}", body[:200_000])[:100])[:8_000]
    best = charset_normalizer.from_bytes(sample, cp_exclusion=list(_NEVER_GUESSED)).best()
    return best.encoding if best is not None and not best.encoding.startswith(("utf", "ascii")) else "cp1252"


def _mostly_utf8(body: bytes) -> bool:
    text = body.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    good = sum(1 for character in text[:100_000] if character > "\x7f" and character != "\ufffd")
    return good > bad

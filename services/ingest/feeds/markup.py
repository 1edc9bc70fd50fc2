"""Making a feed's XML safe and sound before a parser sees it: no DOCTYPE, no entities of its own, no characters that XML forbids."""

import html.entities
import re

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_FORBIDDEN_REFERENCE = re.compile(r"&#(?:x([0-9a-fA-F]{1,8})|(\d{1,10}));")
_PROLOGUE_END = re.compile(r"<(?![?!])")
_XML_ENTITIES = ("lt", "gt", "amp", "quot", "apos")
_NAMED = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,31});")
_BARE_AMPERSAND = re.compile(r"&(?!(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|lt|gt|amp|quot|apos);)")
_DECLARED = re.compile(r"""<!--|["'\[\]<>]""")
_BEFORE_TAG = re.compile(r">\s{0,100}(?=<)")
_MAX_DECLARATION_CHARS = 200_000
_MAX_PROLOGUE_PARTS = 100
_CDATA = re.compile(r"(<!\[CDATA\[.*?\]\]>)", re.DOTALL)
_UNCLOSED = re.compile(
    r"<(title|link|guid|id|pubDate|published|updated)((?:\s[^<>]{0,500})?)>([^<]{0,5000})"
    r"(?=<(?:/?item|/?entry|/?channel|/?feed|link|title|guid|id|pubDate|published|updated|description|summary|language|content|author|category)\b)",
    re.IGNORECASE,
)
_ROOT = re.compile(r"<(?:([A-Za-z_][\w.-]{0,50}):)?([A-Za-z_][\w.-]{0,50})")
_FEED_START = re.compile(r"<(?:\?xml\b|rss\b|rdf:rdf\b|feed\b|(?:\w{1,20}:)?(?:urlset|sitemapindex)\b)", re.IGNORECASE)


def prologue_and_rest(text: str) -> tuple[str, str]:
    """Split before the first element, so that declarations, comments and a DOCTYPE, however bracketed, can be dropped."""
    position = 0
    for _ in range(_MAX_PROLOGUE_PARTS):
        start = text.find("<", position)
        if start < 0:
            return text, ""
        if text.startswith("<!--", start):
            end = text.find("-->", start)
            position = end + 3 if end >= 0 else len(text)
        elif text.startswith("<?", start):
            end = text.find("?>", start)
            position = end + 2 if end >= 0 else len(text)
        elif text.startswith("<!", start):
            position = _declaration_end(text, start)
        else:
            return text[:start], text[start:]
    return text[:position], text[position:]


def root_name(rest: str) -> str:
    """Give the local name of the first element in lower case, or nothing."""
    found = _ROOT.match(rest)
    return found.group(2).lower() if found else ""


def feed_within(text: str) -> str | None:
    """Give the part from where a feed begins, for one that stands behind warnings or a stray page's beginning."""
    found = _FEED_START.search(text)
    return text[found.start() :] if found else None


def without_forbidden(text: str) -> str:
    """Drop the characters, and the references to characters, that XML 1.0 allows nowhere."""
    if "&#" in text:
        text = _FORBIDDEN_REFERENCE.sub(_kept_reference, text)
    return _FORBIDDEN.sub("", text)


def with_entities_resolved(text: str) -> str:
    """Replace HTML's named entities by their characters and escape stray ampersands, outside CDATA sections."""
    parts = _CDATA.split(text)
    for index in range(0, len(parts), 2):
        if "&" in parts[index]:
            parts[index] = _BARE_AMPERSAND.sub("&amp;", _NAMED.sub(_character, parts[index]))
    return "".join(parts)


def with_leaves_closed(text: str) -> str:
    """Close a title, link or date that is left open before the next element, so that it does not swallow the items."""
    return _UNCLOSED.sub(_closed, text)


def _declaration_end(text: str, start: int) -> int:
    """Find the end of `<!DOCTYPE …>` with its internal subset, quotes and comments respected."""
    depth, position, quote = 0, start + 2, ""
    limit = start + _MAX_DECLARATION_CHARS
    while (found := _DECLARED.search(text, position, limit)) is not None:
        mark, position = found.group(), found.end()
        if quote:
            if mark == quote:
                quote = ""
        elif mark == "<!--":
            end = text.find("-->", position)
            position = end + 3 if end >= 0 else len(text)
        elif mark in "\"'":
            quote = mark if depth else ""
        elif mark == "[":
            depth += 1
        elif mark == "]":
            depth = max(0, depth - 1)
        elif mark == ">" and not depth:
            return position
        elif mark == "<" and not depth:
            return found.start()  # an unclosed declaration
    # unbalanced brackets or quotes: end at the first closing bracket that is followed by a tag
    fallback = _BEFORE_TAG.search(text, start, limit)
    return fallback.end() if fallback else min(limit, len(text))


def _closed(found: re.Match[str]) -> str:
    name, attributes, inner = found.groups()
    # an empty element (`<link href="…"/>`) and one without text say nothing about being left open
    return found.group() if attributes.endswith("/") or not inner.strip() else f"<{name}{attributes}>{inner}</{name}>"


def _kept_reference(found: re.Match[str]) -> str:
    code = int(found.group(1), 16) if found.group(1) else int(found.group(2))
    allowed = code in (9, 10, 13) or 32 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF
    return found.group() if allowed else ""


def _character(found: re.Match[str]) -> str:
    name = found.group(1)
    if name in _XML_ENTITIES:
        return found.group()
    return html.entities.html5.get(name + ";", found.group())

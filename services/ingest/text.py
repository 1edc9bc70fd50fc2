"""Plain text from whatever an outlet sends: never HTML, no control characters, no lone surrogates, cut by bytes."""

import html as html_entities
import re
from functools import lru_cache

from lxml import etree

from shared.contracts import TEXT_LIMIT_BYTES

LINE_LIMIT = 2_000
"""Characters of a title or a name, as in the contracts' `Line`."""
SUMMARY_LIMIT = 5_000

_UNWANTED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufeff\ufff9-\ufffb\ufffe\uffff\u200b\u2060\u202a-\u202e\u2066-\u2069\u00ad]"
)
"""Controls, lone surrogates, non-characters, and the invisible marks that reorder or split what a reader sees."""
_SPACES = re.compile(r"[\s\u2028\u2029]+")
_INLINE_SPACES = re.compile(r"[^\S\n]+")
_BREAKS = re.compile(r" ?\n[ \n]*")
_BREAK = "\u2028"
_BLOCK = re.compile(
    r"<(?=/?(?:p|div|br|hr|li|ul|ol|dl|dt|dd|h[1-6]|tr|table|blockquote|pre|section|article|aside|header|footer|figure|figcaption|main|nav|form|center)\b)",
    re.IGNORECASE,
)
_RAW = re.compile(r"</?(?:iframe|noembed|noframes|xmp|plaintext|listing)\b[^<>]{0,2000}>", re.IGNORECASE)
"""Tags whose contents an HTML parser does not look into, although feeds write markup there."""
_HIDDEN = ("script", "style", "template", "svg", "math", "head", "select", "textarea")
"""What is dropped with all it holds. Not `iframe`, `embed` and `object`: feeds close them as XML does, and HTML parsers then take the rest
of the text for their content."""
_DECLARATION = re.compile(r"<!--.{0,2000}?-->|<!--.*$|<!(?:DOCTYPE|doctype|Doctype)[^<>]{0,500}>", re.DOTALL)
_MARKED_UP = re.compile(
    r"</?(?:p|br|a|b|i|em|strong|div|span|img|ul|li|h[1-6]|blockquote|figure|table)(?=[\s/>])|&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z]{2,8}\d?);",
    re.IGNORECASE,
)
_INVISIBLE = re.compile(r"<(script|style)\b", re.IGNORECASE)
_TAG = re.compile(r"""</?([a-zA-Z][a-zA-Z0-9]{0,15})(?=[\s/>])(?>(?:[^<>"']{0,200}(?:"[^"]{0,500}"|'[^']{0,500}')){0,12})[^<>]{0,2000}>""")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_FORMATTING_WORDS = (
    "a abbr acronym b bdi bdo big br center cite code del dfn div em font h1 h2 h3 h4 h5 h6 i img ins kbd mark nobr p q s samp small span "
    "strike strong sub sup tt u var wbr script style iframe object embed svg hr blink marquee"
)
_FORMATTING = frozenset(_FORMATTING_WORDS.split())
_OTHER_WORDS = (
    "address applet area article aside audio base blockquote body button canvas caption col colgroup data datalist dd details dialog dir "
    "dl dt fieldset figcaption figure footer form frame frameset head header html input label legend li link main map menu meta meter nav "
    "noframes noscript ol optgroup option output param picture pre progress ruby section select source summary table tbody td template "
    "textarea tfoot th thead time title tr track ul video math"
)
_ELEMENTS = _FORMATTING | frozenset(_OTHER_WORDS.split())


def scrub(text: str) -> str:
    """Drop what no reader can see and no database takes: controls, lone surrogates, non-characters, bidirectional overrides."""
    if text.isascii() and text.isprintable():
        return text
    return _UNWANTED.sub("", text)


def one_line(text: str, limit: int = LINE_LIMIT) -> str:
    """Give the text on one line, at most `limit` characters, cut at a word where one is near."""
    if len(text) > limit * 8:
        text = text[: limit * 8]
    line = _SPACES.sub(" ", scrub(text)).strip()
    return line if len(line) <= limit else _cut_at_word(line, limit)


def paragraphs(text: str) -> str:
    """Tidy a longer text: one space between words, one newline between paragraphs."""
    return _BREAKS.sub("\n", _INLINE_SPACES.sub(" ", scrub(text.replace("\r", "\n").replace(_BREAK, "\n").replace("\u2029", "\n")))).strip()


def cut(text: str, limit_bytes: int = TEXT_LIMIT_BYTES) -> tuple[str, bool]:
    """Cut a text to `limit_bytes` of UTF-8 on a character's border; the second value says whether it was cut."""
    if len(text) * 4 <= limit_bytes:
        return text, False
    raw = text.encode("utf-8", "ignore")
    if len(raw) <= limit_bytes:
        return text, False
    return raw[:limit_bytes].decode("utf-8", "ignore").rstrip(), True


def shorten(text: str, limit: int = SUMMARY_LIMIT) -> str:
    """Cut a text to `limit` characters, at a word where one is near."""
    return text if len(text) <= limit else _cut_at_word(text, limit)


def from_html(markup: str) -> str:
    """Give an HTML fragment's visible text, blocks separated by newlines. Anything is accepted; nothing is fetched or run."""
    if "<" not in markup:
        if "&" in markup:
            markup = html_entities.unescape(markup)
        return paragraphs(markup)
    marked = _RAW.sub(" ", _BLOCK.sub(_BREAK + "<", _SPACES.sub(" ", scrub(markup))))
    try:
        root = etree.fromstring(b"<div>" + marked.encode("utf-8", "ignore") + b"</div>", _html_parser())
    except (etree.LxmlError, ValueError):
        root = None
    if root is not None:
        etree.strip_elements(root, *_HIDDEN, with_tail=False)
        if text := paragraphs("".join(str(piece) for piece in root.itertext())):
            return text
    # nested deeper than libxml2 follows, or nothing but what is hidden
    return paragraphs(html_entities.unescape(_TAG.sub("", _without_invisible(marked))))


def looks_like_html(text: str) -> bool:
    """Tell whether a text that should be plain holds tags or entities of HTML."""
    return ("<" in text or "&" in text) and _MARKED_UP.search(text) is not None


def title_from_html(title: str, limit: int = LINE_LIMIT, *, declared: bool = False) -> str:
    """Give a title that may hold HTML as plain text on one line.

    Tags are taken for markup where they format, carry attributes or are closed again; `<video>` in "The <video> tag
    explained" and "1 < 2" stay. Entities are read once more, since feeds escape them twice; a title that is `declared` to be
    HTML shows what they say.
    """
    if "<" in title:
        title = _strip_markup(title)
    if "&" in title:
        title = _ENTITY.sub(lambda found: html_entities.unescape(found.group()), title)
        if "<" in title and not declared:
            title = _strip_markup(title)
    return one_line(title, limit)


def _strip_markup(title: str) -> str:
    title = _without_invisible(title[: LINE_LIMIT * 20])
    lowered = title.lower()

    def replaced(found: re.Match[str]) -> str:
        name, tag = found.group(1).lower(), found.group()
        is_markup = name in _FORMATTING or (name in _ELEMENTS and ("=" in tag or tag[1] == "/" or f"</{name}" in lowered))
        if not is_markup:
            return tag
        return " " if name in ("br", "p", "div", "hr", "wbr", "img") else ""

    if "<!" in title:
        title = _DECLARATION.sub("", title.replace("<![CDATA[", "").replace("]]>", ""))
    return _TAG.sub(replaced, title)


def _without_invisible(markup: str) -> str:
    """Drop scripts and styles with what they hold, in one pass."""
    lowered, kept, position, unclosed = markup.lower(), [], 0, set[str]()
    for found in _INVISIBLE.finditer(markup):
        name = found.group(1).lower()
        if found.start() < position or name in unclosed:
            continue
        end = lowered.find("</" + name, found.end())
        close = lowered.find(">", end) + 1 if end >= 0 else 0
        if not close:
            unclosed.add(name)
            continue
        kept.append(markup[position : found.start()])
        position = close
    return " ".join((*kept, markup[position:]))


def _cut_at_word(text: str, limit: int) -> str:
    head = text[: limit - 1]
    space = head.rfind(" ", limit - 60)
    return (head[:space] if space > 0 else head).rstrip() + "…"


@lru_cache(maxsize=1)
def _html_parser() -> etree.HTMLParser:
    return etree.HTMLParser(encoding="utf-8", recover=True, no_network=True, remove_comments=True, remove_pis=True, huge_tree=False)

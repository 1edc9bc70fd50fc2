"""An article's title without the outlet's suffix."""

import re
from collections.abc import Iterable, Sequence

from services.ingest.text import one_line

_SEPARATOR = re.compile(r"\s+[|\-–—·•:»›/]{1,2}\s+|\s*[|｜»：]\s*|\s+::\s+")
_WORD = re.compile(r"[^\W_]+")
_MIN_HEADLINE_CHARS = 8


def best_title(candidates: Sequence[str], heading: str, document_title: str, site_names: Iterable[str], domain_label: str) -> str:
    """Choose among what JSON-LD, OpenGraph, the `<h1>` and `<title>` say, and cut the outlet's name off.

    `domain_label` is the registrable domain's own label (`bbc` of bbc.co.uk).
    """
    names = {form for name in site_names if (form := _form(name))} | ({_form(domain_label)} if domain_label else set())
    cleaned = [title for candidate in (*candidates, heading, document_title) if (title := without_outlet(candidate, names, heading))]
    if not cleaned:
        return ""
    title = cleaned[0]
    if title.endswith(("...", "…")):
        stem = title.rstrip(".… ")
        title = next((longer for longer in cleaned if len(longer) > len(title) and longer.startswith(stem)), title)
    if _form(title) in names:
        # the home page's own title stands on every page
        title = next((other for other in cleaned if _form(other) not in names), title)
    return title


def without_outlet(title: str, names: set[str], heading: str = "") -> str:
    """Cut a leading or trailing part that names the outlet; a part equal to the heading settles it."""
    title = one_line(title)
    for _ in range(3):
        separators = list(_SEPARATOR.finditer(title))
        if not separators:
            return title
        last, first = separators[-1], separators[0]
        head, tail = title[: last.start()].strip(), title[last.end() :].strip()
        lead, rest = title[: first.start()].strip(), title[first.end() :].strip()
        if heading and _form(head) == _form(heading):
            return head
        if heading and _form(rest) == _form(heading):
            return rest
        if len(head) >= _MIN_HEADLINE_CHARS and _names_outlet(tail, names):
            title = head
        elif len(rest) >= _MIN_HEADLINE_CHARS and _names_outlet(lead, names) and len(lead) < len(rest):
            title = rest
        else:
            return title
    return title


def _names_outlet(part: str, names: set[str]) -> bool:
    form = _form(part)
    if not form or len(part) > 60:
        return False
    for name in names:
        if form == name or (len(name) >= 3 and (form.startswith(name) or form.endswith(name)) and len(form) <= len(name) + 14):
            return True
        if len(form) >= 3 and name.startswith(form) and len(name) <= len(form) + 14:
            return True
    return False


def _form(text: str) -> str:
    joined = "".join(_WORD.findall(text.casefold()))
    for suffix in ("com", "couk", "org", "net"):
        if joined.endswith(suffix) and len(joined) > len(suffix) + 2 and "." in text:
            joined = joined.removesuffix(suffix)
    return joined.removeprefix("www") if text.startswith("www.") else joined

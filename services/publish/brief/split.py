"""Splits an article's text into sentences, without what is not part of the report."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from sentencex import segment

from services.publish.brief.lexicon import Lexicon, load_lexicon
from services.publish.brief.limits import DEFAULT_LIMITS, Limits

SEGMENTED_AS = "en"
"""Rules for a language that the splitter does not know: it would not split at all."""

LINE_CHARS = 6_000
"""A longer line is cut here before it is split."""

PAIRS = {"“": "”", "«": "»", "「": "」", "『": "』", "（": "）", "(": ")"}
TERMINAL = ".!?。！？…؟।۔"
CLOSING = "\"'”’»«“)]）」』›"
MIN_REST = 20
"""Characters that a sentence keeps when its beginning is cut."""
MERGED = 4
"""Pieces that are joined at most, to close a quotation."""

_BLANKS = re.compile(r"[\s\u200b\u2060\ufeff]+")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\uffff]")
_PAIRED = re.compile(r"[\"“”«»„「」『』（）()]")
FULL_STOPPED = frozenset({"zh", "ja"})
_FULL_STOP = re.compile(r"(?<=[。！？])(?=[^」』”’）。！？])")
"""After a full stop of Chinese or Japanese, which the splitter misses before a digit or a letter."""
_DASH = re.compile(r"\s[-–—]{1,2}\s")
"""Two of them set an insertion apart; one alone may end a dateline."""
_WORDS = re.compile(r"[^\W\d_]+")
_BULLET = re.compile(r"^(?:[-–—•*·▪■●◆►▶»>#|]+\s*)+")
_INITIAL = re.compile(r"(?:^|\s)[^\W\d_a-z]\.$")
_LAST_WORD = re.compile(r"([^\W\d_]+)\.$")
_DATELINE = re.compile(
    r"^(?:[A-ZÀ-ÞА-Я][A-ZÀ-ÞА-Я .,'’/-]{2,40}|(?:[A-ZÀ-Þ][\w.'’-]{1,30}[ ,]+){1,5})"
    r"(?:,?\s*[A-Z][a-z]{2,8}\.? \d{1,2}(?:,? \d{4})?)?"
    r"\s*(?:\([^)]{2,40}\)\s*(?:[-–—:]+\s*)?|(?<=\s)[-–—]{1,2}\s+|[—–]\s+)"
)
_CAPITAL_DATELINE = re.compile(r"^[A-ZÀ-ÞА-Я][A-ZÀ-ÞА-Я .'’/-]{2,30}(?:,\s[A-Z][\w.]+(?:\s\d{1,2})?)?\s*:\s+(?=\S)")
_DATED = re.compile(
    r"^(?:(?:[A-Z][\w.'’-]+[ ,]+){1,3}[A-Z][a-z]{2,8}\.? \d{1,2}(?:,? \d{4})?\s*[:—–-]\s+"
    r"|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.? \d{1,2}, \d{4}\s*[:—–-]\s*)(?=\S)"
)
_AGENCY = re.compile(r"^\((?:(?:[A-Z]{2,5}|Reuters|dpa|ANSA|Xinhua|Bloomberg)[^)]{0,20}\)\s*[-–—:]*|[A-Z][^)]{1,40}\)\s*[-–—]+)\s*")


class Piece(NamedTuple):
    """A sentence as an article has it."""

    text: str
    paragraph: int
    """Number of its paragraph in the text, from 0."""
    whole: bool
    """It ends as a sentence does and its quotations and brackets are closed."""


def split(text: str, language: str, limits: Limits = DEFAULT_LIMITS) -> list[Piece]:
    """Split a text of any length and quality into its sentences, boilerplate left out, at most `sentences_an_article`."""
    lexicon = load_lexicon(language)
    pieces: list[Piece] = []
    for number, line in enumerate(_lines(clean(text[: limits.text_chars * 2], limits.text_chars))):
        short = len(line) <= limits.max_chars
        if short and is_boilerplate(line):
            continue
        sentences = list(_sentences(line[:LINE_CHARS], lexicon))
        for sentence in sentences:
            if (short and len(sentences) == 1) or not is_boilerplate(sentence):
                pieces.append(Piece(sentence, number, _is_whole(sentence)))
            if len(pieces) >= limits.sentences_an_article:
                return pieces
    return pieces


def clean(text: str, chars: int) -> str:
    """Give the text's first characters composed (NFC), without control characters, lone surrogates and zero-width marks."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text.encode("utf-8", "ignore").decode("utf-8"))
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))[:chars]


def clean_line(text: str, chars: int) -> str:
    """Give a title as one clean line."""
    return _BLANKS.sub(" ", clean(text[: chars * 2], chars)).strip()


def is_boilerplate(text: str) -> bool:
    """Say whether a line or sentence belongs to the page and not to the report."""
    triggers, by_word, by_sign = _boilerplate()
    for signs, pattern in by_sign:
        if any(sign in text for sign in signs) and pattern.search(text):
            return True
    low = text.lower()
    if triggers.search(low) is None:
        return False
    patterns = {number: pattern for word in triggers.findall(low) for number, pattern in by_word[word]}
    return any(pattern.search(text) for pattern in patterns.values())


_Numbered = list[tuple[int, re.Pattern[str]]]


@cache
def _boilerplate() -> tuple[re.Pattern[str], dict[str, _Numbered], list[tuple[tuple[str, ...], re.Pattern[str]]]]:
    """Give what finds the words that lead to a pattern, those patterns, and the patterns that signs lead to."""
    lines = files(__package__).joinpath("lexicons", "boilerplate.txt").read_text(encoding="utf-8").splitlines()
    by_sign: list[tuple[tuple[str, ...], re.Pattern[str]]] = []
    by_word: dict[str, _Numbered] = {}
    for number, line in enumerate(lines):
        words, _, written = line.partition(" :: ")
        if not written or line.startswith("#"):
            continue
        pattern = re.compile(written, re.IGNORECASE)
        if words.startswith("!"):
            by_sign.append((tuple(words[1:].split()), pattern))
            continue
        for word in words.split():
            by_word.setdefault(word, []).append((number, pattern))
    return re.compile(rf"(?<!\w){_any_of(by_word)}(?!\w)"), by_word, by_sign


def _any_of(words: Iterable[str]) -> str:
    """Give a regular expression of many words that looks at each letter once: a tree of their beginnings."""
    tree: dict[str, Any] = {}
    for word in words:
        node = tree
        for sign in word:
            node = node.setdefault(sign, {})
        node[""] = {}
    return _branches(tree)


def _branches(node: dict[str, Any]) -> str:
    branches = [re.escape(sign) + _branches(below) for sign, below in sorted(node.items()) if sign]
    if not branches:
        return ""
    joined = branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"
    return f"(?:{joined})?" if "" in node else joined


def _lines(text: str) -> Iterator[str]:
    """Give paragraphs; a line that goes on in the next one, as hard-wrapped texts have, is joined with it."""
    held = ""
    for raw in text.split("\n"):
        line = _BLANKS.sub(" ", _BULLET.sub("", raw.strip())).strip()
        if not line:
            if held:
                yield held
            held = ""
        elif held and line[0].islower() and held[-1] not in TERMINAL + CLOSING + ":":
            held = f"{held} {line}"
        else:
            if held:
                yield held
            held = line
    if held:
        yield held


def _sentences(line: str, lexicon: Lexicon) -> Iterator[str]:
    held = ""
    merged = 0
    first = True
    for raw in _segments(line, lexicon):
        piece = raw.strip()
        if not piece:
            continue
        if held and merged < MERGED and _goes_on(held, piece, lexicon):
            blank = "" if raw[:1] in "とってとのはがをも" and held[-1] in "」』" else " "
            held = f"{held}{blank}{piece}"
            merged += 1
            continue
        if held:
            yield strip_lead(strip_dateline(held) if first else held, lexicon)
            first = False
        held, merged = piece, 0
    if held:
        yield strip_lead(strip_dateline(held) if first else held, lexicon)


def _segments(line: str, lexicon: Lexicon) -> Iterator[str]:
    for piece in segment(lexicon.language if lexicon.stop or lexicon.stemmer else SEGMENTED_AS, line):
        yield from _FULL_STOP.split(piece) if lexicon.language in FULL_STOPPED else (piece,)


def _goes_on(held: str, piece: str, lexicon: Lexicon) -> bool:
    """Say whether the splitter cut inside a sentence: after an initial or a short form, in a quotation, before a small letter."""
    if piece[0] in "”»」』)）,;:" or _is_open(held):
        return True
    if held[-1] == "." and (_INITIAL.search(held) or _ends_short(held, lexicon)):
        return True
    if piece[0].islower() and held[-1] in CLOSING + "…,;:":
        return True
    return held[-1] in "」』" and piece[0] in "とってのはがをも"


def _ends_short(held: str, lexicon: Lexicon) -> bool:
    last = _LAST_WORD.search(held)
    return bool(last and last[1].lower() in lexicon.short_forms and last[1][0].isupper())


def _is_open(text: str) -> bool:
    if not _PAIRED.search(text):
        return False
    if text.count('"') % 2:
        return True
    return any(text.count(left) > text.count(right) for left, right in PAIRS.items() if left != "“") or (
        text.count("“") > text.count("”") and "„" not in text
    )


def _is_whole(text: str) -> bool:
    bare = text.rstrip(CLOSING)
    if not bare or bare[-1] not in TERMINAL or bare.endswith(("...", "…")):
        return False
    return is_closed(text)


def is_closed(text: str) -> bool:
    """Say whether a text closes all quotations and brackets that it opens."""
    if not _PAIRED.search(text):
        return True
    if "„" in text:
        return text.count("„") == text.count("“") + text.count("”")
    return text.count('"') % 2 == 0 and all(text.count(left) == text.count(right) for left, right in PAIRS.items())


def strip_lead(sentence: str, lexicon: Lexicon) -> str:
    """Cut a leading "However, " or "But ", which joins a sentence to one that is not there."""
    lead, starts = _lead(lexicon.language)
    start = _WORDS.search(sentence)
    if start is None or start[0].lower() not in starts:
        return sentence
    found = lead.match(sentence)
    if found is None or found.end() >= len(sentence) - MIN_REST:
        return sentence
    rest = sentence[found.end() :]
    return rest[0].upper() + rest[1:]


@cache
def _lead(language: str) -> tuple[re.Pattern[str], frozenset[str]]:
    """Give the pattern of openings that are cut, and their first words."""
    lexicon = load_lexicon(language)
    phrases = "|".join(re.escape(phrase).replace("\\ ", " ") for phrase in lexicon.cut_leads) or r"(?!)"
    words = "|".join(re.escape(word) for word in sorted(lexicon.cut_words)) or r"(?!)"
    labels = "|".join(re.escape(label).replace("\\ ", " ").replace("'", "['’]") for label in lexicon.labels) or r"(?!)"
    pattern = re.compile(rf"^(?:\W*(?:{labels}):\s+|(?:{phrases}),\s+|(?:{words})\s+(?=[^\W\d_]))", re.IGNORECASE)
    firsts = (_WORDS.search(phrase) for phrase in (*lexicon.cut_leads, *lexicon.cut_words, *lexicon.labels))
    return pattern, frozenset(first[0] for first in firsts if first is not None)


def strip_dateline(sentence: str) -> str:
    """Cut a leading place, date and agency ("KABUL (AFP) — "), which is no part of the sentence."""
    for pattern in (_DATELINE, _CAPITAL_DATELINE, _DATED, _AGENCY):
        found = pattern.match(sentence)
        if found and len(_DASH.findall(sentence)) > 1 and _DASH.search(found[0]):
            continue
        if not found or found.end() >= len(sentence) - MIN_REST:
            continue
        opens = sentence[found.end()]
        # "The Federal Trade Commission (FTC) has …" has none.
        if (opens.isalnum() and not opens.islower()) or opens in "“\"'‘«„":
            return sentence[found.end() :]
    return sentence

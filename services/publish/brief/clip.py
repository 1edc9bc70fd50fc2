"""Gives the first section a heading where none is fit: the last resort."""

from collections.abc import Sequence
from dataclasses import replace

from services.publish.brief.cut import find_border, find_subject, is_joined, is_one_verb, says_nothing
from services.publish.brief.cut_title import parts_of
from services.publish.brief.heading import SIGNS_A_WORD, Heading, count_words, has_verb, is_closed_heading, read_heading
from services.publish.brief.limits import DEFAULT_LIMITS, Limits
from services.publish.brief.read import Reading
from services.publish.brief.select import Candidate
from services.publish.brief.split import strip_lead
from services.publish.brief.words import IDEOGRAPHIC, letters_only, tokenise

_QUOTES = str.maketrans("", "", '"“”„«»‘')


def clip_heading(members: Sequence[Candidate], headline: str, readings: Sequence[Reading], limits: Limits = DEFAULT_LIMITS) -> Heading:
    """Give the first section a heading where none is fit: a title, or a sentence's first words, cut where it hurts least."""
    first = members[0]
    titles = [readings[place].title.text for place in first.stated_by]
    lines = [*titles, *(part.strip() for title in titles for part in parts_of(title))]
    start = find_subject(first.statement.tokens, first.article) if not first.article.lexicon.verb_late else None
    if start is not None:
        lines.append(first.statement.text[first.statement.tokens[start].start :])
    lines.append(first.statement.text)
    others = [strip_lead(reading.title.text, reading.lexicon) for place, reading in enumerate(readings) if place not in first.stated_by]
    best = ""
    same = letters_only(headline).strip()
    sizes = (limits.heading_max_words, limits.heading_max_words - 2, limits.heading_max_words - 4)
    for tried, rough in ((lines, False), (lines, True), (others, False)):
        for line, most in ((line, most) for most in sizes for line in tried if not _opens_badly(line, first.article)):
            clipped = _clip(line, first.article, replace(limits, heading_max_words=most), rough=rough)
            told = clipped and has_verb(tokenise(clipped, first.article.source.language), first.article)
            if told and letters_only(clipped).strip() != same and count_words(clipped) >= limits.heading_min_words:
                clipped = clipped[:1].upper() + clipped[1:]
                return Heading(clipped, read_heading(clipped, first.article), 0.0)
            best = best or (clipped if letters_only(clipped).strip() != same else "")
    text = best or _first_words(first.statement.text, limits)
    return Heading(text, read_heading(text, first.article), 0.0)


def _first_words(text: str, limits: Limits) -> str:
    """Give as many words as a heading has, without quotation marks, to the last comma that leaves enough of them."""
    kept = " ".join(text.translate(_QUOTES).split()[: limits.heading_max_words])
    whole = kept.rpartition(",")[0]
    kept = whole if count_words(whole) >= limits.heading_min_words else kept
    return kept[: limits.heading_max_words * 8].rstrip(" ,;:-–—")


def _opens_badly(line: str, article: Reading) -> bool:
    """Say whether a line lacks its subject or asks: "Says Trump deserves credit"."""
    low = next((token.word.low for token in tokenise(line, article.source.language) if not token.mark), "")
    return low in article.lexicon.questions or low in article.lexicon.attributing


def _clip(line: str, article: Reading, limits: Limits, *, rough: bool) -> str:
    """Give a line's first words, as many as a heading has, up to a border; if `rough`, at least not up to a word that waits for another."""
    tokens = tokenise(line, article.source.language)
    if article.source.language in IDEOGRAPHIC:
        return line[: limits.heading_max_words * SIGNS_A_WORD].rstrip("，。、,. ")
    words = 0
    whole = cut_roughly = ""
    for place, token in enumerate(tokens):
        if token.mark:
            continue
        words += 1
        if words > limits.heading_max_words:
            break
        if words >= limits.heading_min_words and not token.word.stop and token.word.low not in article.lexicon.dangling:
            parted = article.lexicon.verb_late and not is_one_verb(tokens, 0, place, article.lexicon)
            cut = line[: token.end].strip()
            if says_nothing(tokens[: place + 1], article) or is_joined(line, token):
                continue
            cut_roughly = cut if is_closed_heading(cut) else cut_roughly
            if (
                is_closed_heading(cut)
                and not (parted and place + 1 < len(tokens))
                and (place + 1 == len(tokens) or find_border(tokens, place, article) is not None or tokens[place + 1].mark)
            ):
                whole = cut
    return whole or (cut_roughly if rough else "")

"""Reads sentences: their terms, names, numbers, days, negations, quotations and speakers, all that `support` compares."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

from services.publish.brief.lexicon import Lexicon, load_lexicon
from services.publish.brief.limits import DEFAULT_LIMITS, Limits
from services.publish.brief.source import Source
from services.publish.brief.split import clean_line, split

WEAK_WEIGHT = 0.4
NAME_WEIGHT = 1.2
NEGATION_REACH = 3
"""Terms after a negation that it can touch."""
SPEAKER_REACH = 9
"""Tokens before a verb of saying where its speaker stands."""
LONG_WORD = 40
"""Letters; a longer word is cut, whatever it is."""

TOKEN = re.compile(
    r"(?P<dotted>(?:[^\W\d_]\.){2,})"
    r"|(?P<number>\d{1,3}(?:[\u00a0\u202f ]\d{3})+(?!\d)|\d+(?:[.,]\d+)*)"
    r"|(?P<word>[^\W\d_]+(?:['’][^\W\d_]+)*)"
    r"|(?P<mark>[%٪,;:–—“”\"«»„「」『』()])"
)
_IDEOGRAPH = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_HANGUL = re.compile(r"[\uac00-\ud7af]")
_KANA = re.compile(r"[\u3040-\u309f]+")
_QUOTED = re.compile(
    r"“([^“”]*)”|«([^«»]*)»|„([^„“”]*)[“”]|\"([^\"]*)\"|「([^「」]*)」|『([^『』]*)』|(?<!\w)[‘']((?:[^‘’']|['’](?=\w)){2,200})[’'](?!\w)"
)
_OMISSION = re.compile(r"\[[^\]]*\]|\([^)]*\)|…|\.\.\.")
_NOT_LETTERS = re.compile(r"[\W_]+")

_BRITISH = re.compile(r"is(e|ed|es|ing|ation|ations|ers?)$")

BREAKS = frozenset(",;:–—()")
OPENING = frozenset("“«„「『")
ENDING = frozenset("”»」』")


class Word(NamedTuple):
    """What is known of a word whatever stands around it."""

    low: str
    terms: tuple[str, ...]
    """Its terms: none for a stop word, one for most, pairs of signs for Chinese and Japanese."""
    weight: float
    capital: bool
    stop: bool
    negation: bool
    value: float | None
    """A number's value."""
    scale: float | None


class Token(NamedTuple):
    """A word or mark where it stands."""

    word: Word
    mark: str
    start: int
    end: int
    quoted: bool


class Figure(NamedTuple):
    """A number and the terms that stand with it."""

    value: str
    bound: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """What a sentence says, as far as a program can compare it."""

    terms: dict[str, float]
    """Term → weight, in the sentence's order."""
    names: tuple[tuple[str, ...], ...]
    """Runs of names ("lee", "jae", "myung")."""
    figures: tuple[Figure, ...]
    days: tuple[frozenset[str], ...]
    """Each day spoken of, as the dates that it may be."""
    negated: tuple[frozenset[str], ...]
    """For each negation, the terms that it touches."""
    turns: dict[int, frozenset[str]]
    """Class of turning words → the terms that they touch."""
    sides: dict[int, frozenset[int]]
    quotes: tuple[str, ...]
    """Quoted passages, letters and digits only."""
    attributed: bool
    """It hands a statement to a speaker."""
    speakers: frozenset[str]
    pronoun_speaker: bool
    official: bool
    """An authority is among its speakers: police, a ministry, figures."""
    words: int
    weight: float


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """A sentence of an article."""

    text: str
    article: int
    """Place of its article in the story's order, from 0."""
    position: int
    """Place in the article, 0 the first; -1 the title."""
    paragraph: int
    whole: bool
    marks: Marks
    tokens: tuple[Token, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """An article, read."""

    source: Source
    lexicon: Lexicon
    title: Statement
    body: tuple[Statement, ...]
    names: frozenset[str]
    """Every name's terms, and the initials of names of several words."""
    full_names: dict[str, tuple[str, ...]]
    """A name's last word → the longest run that it ends."""
    days: frozenset[str]
    letters: str
    """Title and text, letters and digits only, for finding quotations."""


def read_article(source: Source, article: int, limits: Limits = DEFAULT_LIMITS) -> Reading:
    """Read an article. Never raises, whatever the text; reads at most what `limits` allow."""
    lexicon = load_lexicon(source.language)
    title = clean_line(source.title, limits.title_chars)
    pieces = split(source.text, source.language, limits)
    tokens = [_tokens(piece.text, source.language) for piece in pieces]
    known = _names_of(tokens, lexicon)
    published = source.published_at.date() if source.published_at else None
    body = tuple(
        Statement(piece.text, article, place, piece.paragraph, piece.whole, _mark(piece.text, held, lexicon, known, published), held)
        for place, (piece, held) in enumerate(zip(pieces, tokens, strict=True))
    )
    title_tokens = _tokens(title, source.language)
    heading = Statement(title, article, -1, -1, False, _mark(title, title_tokens, lexicon, known, published, title=True), title_tokens)
    full: dict[str, tuple[str, ...]] = {}
    names: set[str] = set()
    for statement in (heading, *body):
        for run in statement.marks.names:
            names.update(run)
            if len(run) > 1:
                names.add("".join(part[0] for part in run))
                if len(run) > len(full.get(run[-1], ())):
                    full[run[-1]] = run
    days = frozenset(day for statement in body for mentioned in statement.marks.days for day in mentioned)
    letters = letters_only(f"{title} {source.text[: limits.text_chars]}")
    return Reading(source, lexicon, heading, body, frozenset(names), full, days, letters)


def read_sentence(text: str, like: Reading) -> Marks:
    """Read a sentence that no article has, such as a model's, with the names and days of the article that it is like."""
    tokens = _tokens(text, like.source.language)
    published = like.source.published_at.date() if like.source.published_at else None
    return _mark(text, tokens, like.lexicon, like.names, published)


def letters_only(text: str) -> str:
    """Give a text's letters and digits in small, other signs as single blanks."""
    return _NOT_LETTERS.sub(" ", _straight(text).casefold().replace("'", ""))


def _straight(text: str) -> str:
    return text.replace("’", "'").replace("‘", "'")


def _fold(word: str) -> str:
    if word.isascii():
        return word
    return "".join(sign for sign in unicodedata.normalize("NFD", word) if not unicodedata.combining(sign)) or word


def stem(low: str, lexicon: Lexicon) -> str:
    """Give a word's term: the standard form of what says the same, or its stem."""
    known = lexicon.same.get(low)
    if known is not None:
        return known
    if lexicon.language == "en" and len(low) > 6:
        low = _BRITISH.sub(r"iz\1", low)
    stemmed = lexicon.stemmer.stemWord(low) if lexicon.stemmer is not None else low
    return _fold(stemmed)


@lru_cache(maxsize=100_000)
def know_word(surface: str, language: str) -> Word:
    """Give what is known of a word as it is written."""
    lexicon = load_lexicon(language)
    straight = _straight(surface[:LONG_WORD])
    low = straight.lower()
    negation = low in lexicon.negations
    if "'" in low:
        low, negation = _without_apostrophe(low, lexicon, negation)
    capital = straight[:1].isupper()
    value = lexicon.number_words.get(low)
    scale = lexicon.scales.get(low)
    stop = low in lexicon.stop or negation
    if stop or not low:
        return Word(low, (), 0.0, capital, True, negation, value, scale)
    if _IDEOGRAPH.search(low):
        return Word(low, _sign_pairs(low, lexicon), 0.7, False, False, False, value, scale)
    if _HANGUL.search(low):
        return Word(low, (low[:2] if len(low) <= 3 else low[:3],), 1.0, False, False, False, value, scale)
    term = stem(low, lexicon)
    weight = WEAK_WEIGHT if low in lexicon.weak or len(low) == 1 else 1.0
    return Word(low, (term,) if value is None and scale is None else (), weight, capital, False, False, value, scale)


def _without_apostrophe(low: str, lexicon: Lexicon, negation: bool) -> tuple[str, bool]:
    if low in lexicon.stop or low in lexicon.first_person or low in lexicon.second_person:
        return low, negation
    head, _, tail = low.partition("'")
    if tail == "t" and head.endswith("n"):
        return ("", True) if head in {"won", "can", "shan"} else (head[:-1], True)
    if head in lexicon.elisions:
        return tail, negation
    if tail in {"s", "re", "ve", "ll", "d", "m"}:
        return head, negation
    return low.replace("'", ""), negation


def _sign_pairs(low: str, lexicon: Lexicon) -> tuple[str, ...]:
    """Give the pairs of neighbouring signs; Japanese syllables of endings and particles part the runs."""
    runs = _KANA.split(low) if lexicon.language == "ja" else [low]
    pairs: list[str] = []
    for run in runs:
        kept = [sign for sign in run if sign not in lexicon.stop]
        pairs.extend(kept if len(kept) == 1 else (left + right for left, right in zip(kept, kept[1:], strict=False)))
    return tuple(pairs)


def _tokens(text: str, language: str) -> tuple[Token, ...]:
    tokens: list[Token] = []
    quoted = False
    for found in TOKEN.finditer(text):
        kind = found.lastgroup
        written = found[0]
        if kind == "mark":
            if written in OPENING:
                quoted = True
            elif written in ENDING:
                quoted = False
            elif written == '"':
                quoted = not quoted
            tokens.append(Token(_NO_WORD, written, found.start(), found.end(), quoted))
        elif kind == "number":
            tokens.append(Token(_number(written, language), "", found.start(), found.end(), quoted))
        else:
            surface = written.replace(".", "") if kind == "dotted" else written
            tokens.append(Token(know_word(surface, language), "", found.start(), found.end(), quoted))
    return tuple(tokens)


_NO_WORD = Word("", (), 0.0, False, True, False, None, None)
DECIMAL_POINT = frozenset({"en", "zh", "ja", "ko", "und", "he", "th", "hi"})
"""Languages that write 1,000.5; others write 1.000,5."""


@lru_cache(maxsize=20_000)
def _number(written: str, language: str) -> Word:
    plain = re.sub(r"[\u00a0\u202f ]", "", written)[:LONG_WORD]
    thousands, decimal = (",", ".") if language in DECIMAL_POINT else (".", ",")
    if re.fullmatch(rf"\d{{1,3}}(?:\{thousands}\d{{3}})+(?:\{decimal}\d+)?", plain):
        plain = plain.replace(thousands, "").replace(decimal, ".")
    elif re.fullmatch(rf"\d+\{decimal}\d+", plain):
        plain = plain.replace(decimal, ".")
    elif re.fullmatch(r"\d+[.,]\d+", plain):
        plain = plain.replace(",", ".")
    elif not plain.isdecimal():
        return Word(plain, (plain,), 1.0, False, False, False, None, None)
    return Word(plain, (), 0.0, False, False, False, float(plain), None)


def _names_of(tokens: Iterable[Sequence[Token]], lexicon: Lexicon) -> frozenset[str]:
    """Find an article's names: words with a capital inside sentences that are nowhere written small."""
    raised: dict[str, int] = {}
    small: dict[str, int] = {}
    for held in tokens:
        before: Token | None = None
        for token in held:
            word = token.word
            if token.mark or not word.low:
                before = token
                continue
            if not word.capital:
                small[word.low] = small.get(word.low, 0) + 1
            elif before is not None and not before.mark and not word.stop:
                noun = lexicon.nouns_capital and (before.word.low in lexicon.determiners or _is_adjective(before.word))
                if noun:
                    small[word.low] = small.get(word.low, 0) + 1
                else:
                    raised[word.low] = raised.get(word.low, 0) + 1
            before = token
    return frozenset(low for low, count in raised.items() if count > small.get(low, 0) * (1 if not lexicon.nouns_capital else 100))


def _is_adjective(word: Word) -> bool:
    return not word.capital and not word.stop and word.low.endswith(("e", "en", "er", "es", "em"))


def _mark(
    text: str,
    tokens: Sequence[Token],
    lexicon: Lexicon,
    known: frozenset[str],
    published: date | None,
    *,
    title: bool = False,
) -> Marks:
    terms: dict[str, float] = {}
    names: list[tuple[str, ...]] = []
    run: list[str] = []
    run_end = -1
    figures: list[tuple[float, bool, int]] = []
    days: list[frozenset[str]] = []
    segment_of: list[set[str]] = [set()]
    content: list[tuple[int, str]] = []
    negations: list[int] = []
    turning: list[tuple[int, int]] = []
    sides: dict[int, set[int]] = {}
    said: list[int] = []
    words = 0
    skip_until = -1
    first = True
    total = len(tokens)
    for place, token in enumerate(tokens):
        word = token.word
        if token.mark:
            if token.mark in BREAKS:
                segment_of.append(set())
            elif token.mark in "%٪" and figures and figures[-1][2] == len(segment_of) - 1:
                figures[-1] = (figures[-1][0], True, figures[-1][2])
            continue
        words += 1
        low = word.low
        if place < skip_until:
            continue
        if word.negation:
            negations.append(place)
        turn = lexicon.turns.get(low)
        if turn is not None and not (word.capital and low in lexicon.months):
            turning.append((place, turn))
        side = lexicon.opposites.get(low)
        if side is not None:
            sides.setdefault(side[0], set()).add(side[1])
        if low in lexicon.attributing and not token.quoted:
            said.append(place)
        is_name = word.capital and not word.stop and (low in known or (not first and not title and not lexicon.nouns_capital))
        first = False
        day = _day(place, tokens, lexicon, published)
        if day is not None:
            days.append(day[0])
            skip_until = day[1]
            continue
        if word.value is not None and not (low.isalpha() and text[token.end : token.end + 1] == "-"):
            value, unit, skip_until = _figure(place, tokens, lexicon)
            if not (low == "one" and (place + 1 >= total or tokens[place + 1].word.stop)) or low.isdigit():
                if any(segment == len(segment_of) - 1 for _, _, segment in figures):
                    segment_of.append(set())
                figures.append((value, unit, len(segment_of) - 1))
            continue
        if low in lexicon.percent and figures:
            figures[-1] = (figures[-1][0], True, figures[-1][2])
            continue
        if word.stop:
            if low in {"and", "y", "und", "et", "e", "en", "и"} and place and figures:
                segment_of.append(set())
            continue
        for term in word.terms:
            weight = NAME_WEIGHT if is_name else word.weight
            if low in lexicon.speech and low in lexicon.attributing:
                weight = 0.0
            if weight > terms.get(term, 0.0):
                terms[term] = weight
            elif term not in terms:
                terms[term] = weight
            content.append((place, term))
            segment_of[-1].add(term)
            if is_name and low not in lexicon.titles:
                if run and _adjacent(tokens, run_end, place, text):
                    run.append(term)
                else:
                    if run:
                        names.append(tuple(run))
                    run = [term]
                run_end = place
    if run:
        names.append(tuple(run))
    marked = tuple(Figure(_value(value, unit), frozenset(_bound(segment_of, segment))) for value, unit, segment in figures)
    speakers, pronoun, official = _speakers(tokens, said, lexicon, known)
    return Marks(
        terms=terms,
        names=tuple(names),
        figures=marked,
        days=tuple(days),
        negated=tuple(_after(content, place, NEGATION_REACH) for place in negations),
        turns=_merge((turn, _after(content, place, NEGATION_REACH)) for place, turn in turning),
        sides={pair: frozenset(found) for pair, found in sides.items()},
        quotes=_quotes(text),
        attributed=bool(said),
        speakers=speakers,
        pronoun_speaker=pronoun,
        official=official,
        words=words if not _IDEOGRAPH.search(text) else max(words, len(text) // 2),
        weight=sum(terms.values()),
    )


def _adjacent(tokens: Sequence[Token], before: int, place: int, text: str) -> bool:
    return place == before + 1 and text[tokens[before].end : tokens[place].start] in {" ", "-", ". ", ".", "\u00a0"}


def _value(value: float, unit: bool) -> str:
    shown = f"{value:.6g}" if value < 1e6 else f"{value:.12g}"
    return f"{shown}%" if unit else shown


def _bound(segments: Sequence[set[str]], segment: int) -> set[str]:
    if segments[segment]:
        return segments[segment]
    return segments[segment - 1] if segment else set()


def _figure(place: int, tokens: Sequence[Token], lexicon: Lexicon) -> tuple[float, bool, int]:
    """Read a number that may go on in words: "1.5 million", "twenty-one", "two hundred", "ten percent"."""
    value = tokens[place].word.value or 0.0
    at = place + 1
    while at < len(tokens) and at < place + 5:
        word = tokens[at].word
        if word.scale is not None and not tokens[at].mark:
            value *= word.scale
        elif word.value is not None and 20 <= value <= 90 and value % 10 == 0 and 1 <= word.value <= 9 and not word.low.isdigit():
            value += word.value
        else:
            break
        at += 1
    unit = at < len(tokens) and (tokens[at].mark in {"%", "٪"} or tokens[at].word.low in lexicon.percent)
    return value, unit, at + 1 if unit else at


def _day(place: int, tokens: Sequence[Token], lexicon: Lexicon, published: date | None) -> tuple[frozenset[str], int] | None:
    """Read a day or month: its possible dates, and where reading goes on. None if the word is none."""
    word = tokens[place].word
    low = word.low
    if low in lexicon.weekdays and (word.capital or not lexicon.language == "en"):
        return _weekday(lexicon.weekdays[low], published), place + 1
    if low in lexicon.relative_days and published is not None:
        return frozenset({(published + timedelta(days=lexicon.relative_days[low])).isoformat()}), place + 1
    if low in lexicon.months and (word.capital or lexicon.language not in {"en", "de"}):
        before = tokens[place - 1].word.value if place else None
        after = tokens[place + 1].word if place + 1 < len(tokens) else _NO_WORD
        if after.value is not None and 1 <= after.value <= 31 and after.low.isdigit():
            return _date(lexicon.months[low], int(after.value), published), place + 2
        if before is not None and 1 <= before <= 31:
            return _date(lexicon.months[low], int(before), published), place + 1
        return frozenset({f"month-{lexicon.months[low]}"}), place + 1
    if word.value is not None and place + 1 < len(tokens) and 1 <= word.value <= 31 and low.isdigit():
        skip = 2 if tokens[place + 1].word.low in {"de", "of"} and place + 2 < len(tokens) else 1
        month = lexicon.months.get(tokens[place + skip].word.low)
        if month is not None and (tokens[place + skip].word.capital or lexicon.language not in {"en", "de"}):
            return _date(month, int(word.value), published), place + skip + 1
    return None


def _weekday(day: int, published: date | None) -> frozenset[str]:
    if published is None:
        return frozenset({f"weekday-{day}"})
    back = (published.weekday() - day) % 7
    last = published - timedelta(days=back)
    return frozenset(
        {f"weekday-{day}", last.isoformat(), (last + timedelta(days=7)).isoformat()} - ({f"weekday-{day}"} if published else set())
    )


def _date(month: int, day: int, published: date | None) -> frozenset[str]:
    if published is None:
        return frozenset({f"{month:02d}-{day:02d}"})
    try:
        return frozenset({date(published.year, month, day).isoformat()})
    except ValueError:
        return frozenset({f"{month:02d}-{day:02d}"})


def _after(content: Sequence[tuple[int, str]], place: int, reach: int) -> frozenset[str]:
    return frozenset([term for at, term in content if at > place][:reach])


def _merge(found: Iterable[tuple[int, frozenset[str]]]) -> dict[int, frozenset[str]]:
    merged: dict[int, frozenset[str]] = {}
    for turn, scope in found:
        merged[turn] = merged.get(turn, frozenset()) | scope
    return merged


def _speakers(tokens: Sequence[Token], said: Sequence[int], lexicon: Lexicon, known: frozenset[str]) -> tuple[frozenset[str], bool, bool]:
    """Give the terms where a verb of saying has its speaker, and whether a pronoun or an authority stands there."""
    speakers: set[str] = set()
    pronoun = official = False
    for place in said:
        near = list(range(max(0, place - SPEAKER_REACH), place)) + list(range(place + 1, min(len(tokens), place + 6)))
        for at in near:
            token = tokens[at]
            word = token.word
            if token.quoted or token.mark:
                continue
            if word.low in lexicon.subjects and abs(at - place) <= 2:
                pronoun = True
            elif word.low in lexicon.weekdays or word.low in lexicon.months:
                continue
            elif word.low in known or word.low in lexicon.officials or (word.capital and at and not word.stop):
                official |= word.low in lexicon.officials
                speakers.update(word.terms)
    return frozenset(speakers), pronoun, official


def _quotes(text: str) -> tuple[str, ...]:
    found: list[str] = []
    for match in _QUOTED.finditer(text):
        passage = next(group for group in match.groups() if group is not None)
        for part in _OMISSION.split(passage):
            letters = letters_only(part).strip()
            if letters:
                found.append(letters)
    return tuple(found)

"""Reads sentences: their terms, names, numbers, days, negations, quotations and speakers, all that `support` compares."""

import itertools
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

from services.publish.brief.lexicon import Lexicon, load_lexicon
from services.publish.brief.limits import DEFAULT_LIMITS, Limits
from services.publish.brief.source import Source
from services.publish.brief.split import clean_line, split

WEAK_WEIGHT = 0.4
NAME_WEIGHT = 1.2
SIGN_PAIR_WEIGHT = 0.7
SCOPE = 3
"""Terms that a negation or turning word can touch, inside its clause."""
SPEAKER_REACH = 10
"""Tokens before a verb of saying where its speaker stands."""
INVERTED_REACH = 8
"""Tokens after a verb of saying where its speaker stands ("…, said the mayor of Oru")."""
IDENTITY_REACH = 6
"""Tokens around a name in which its office and country stand."""
IN_TITLE = 2
"""Sentences that a name's place in the title counts for, in finding whom an article is about."""
LONG_WORD = 40
"""Letters; a longer word is cut, whatever it is."""

TOKEN = re.compile(
    r"((?:[^\W\d_]\.){2,})"
    r"|(\d{1,3}(?:[\u00a0\u202f ]\d{3})+(?!\d)|\d+(?:[.,]\d+)*)"
    r"|([^\W\d_]+(?:['’][^\W\d_]+)*)"
    r"|([%٪,;:–—“”\"«»„「」『』()])"
)
DOTTED, NUMBER, WORD, MARK = 1, 2, 3, 4
_IDEOGRAPH = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_HANGUL = re.compile(r"[\uac00-\ud7af]")
_KANA = re.compile(r"[\u3040-\u309f]+")
_QUOTED = re.compile(
    r"“([^“”]*)”|«([^«»]*)»|„([^„“”]*)[“”]|\"([^\"]*)\"|「([^「」]*)」|『([^『』]*)』"
    r"|(?<!\w)[‘']((?:[^‘’']|['’](?=\w)){2,200})[’'](?!\w)"
)
_QUOTE_MARK = re.compile(r"[“”\"«»„「」『』‘']")
_OMISSION = re.compile(r"\[[^\]]*\]|\([^)]*\)|…|\.\.\.")
_NOT_LETTERS = re.compile(r"[\W_]+")
_BRITISH = re.compile(r"is(e|ed|es|ing|ation|ations|ers?)$")
_OUR = re.compile(r"(?<=[a-z]{2})our(s|ed|ing|able|al|er|ers|ite|ful)?$")
_TRE = re.compile(r"tre(s)?$")
_BLANK = re.compile(r"[\u00a0\u202f ]")

CLAUSE_MARKS = frozenset(",;:–—()")
OPENING = frozenset("“«„「『")
ENDING = frozenset("”»」』")
DECIMAL_POINT = frozenset({"en", "zh", "ja", "ko", "und", "he", "th", "hi"})
"""Languages that write 1,000.5; others write 1.000,5."""
IDEOGRAPHIC = frozenset({"zh", "ja"})
"""Languages without blanks, in which two signs count as a word."""


class Word(NamedTuple):
    """What is known of a word whatever stands around it."""

    low: str
    terms: tuple[str, ...]
    """Its terms: none for a stop word or number, one for most, pairs of signs for Chinese and Japanese."""
    weight: float
    capital: bool
    stop: bool
    special: bool
    """It may be a number, day, negation, turning word, side of a pair, verb of saying or part of a pair: look closer."""
    negation: bool = False
    value: float | None = None
    """A number's value."""
    scale: float | None = None


NO_WORD = Word("", (), 0.0, False, True, False)


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
    sides: frozenset[tuple[int, int]]
    """Sides of opposites in its clause: whether it rose or fell."""


@dataclass(slots=True, eq=False)
class Marks:
    """What a sentence says, as far as a program can compare it. Never changed once made; not frozen, which would make it slower to make."""

    sequence: tuple[str, ...]
    """Its terms in order, repeated ones too."""
    terms: dict[str, float]
    """Term → weight."""
    weight: float
    """Sum of the terms' weights."""
    names: tuple[tuple[str, ...], ...]
    """Runs of names ("lee", "jae", "myung")."""
    name_terms: frozenset[str]
    """All terms of its names."""
    figures: tuple[Figure, ...]
    days: tuple[frozenset[str], ...]
    """Each day spoken of, as the dates that it may be."""
    negated: tuple[frozenset[str], ...]
    """For each negation, the terms that it touches."""
    superlatives: tuple[frozenset[str], ...]
    """For each superlative, the term that it raises."""
    turns: dict[int, frozenset[str]]
    """Class of turning words → the terms that they touch."""
    sides: dict[int, frozenset[int]]
    """Pair of opposites → the sides that are here."""
    quotes: tuple[str, ...]
    """Quoted passages, letters and digits only."""
    attributed: bool
    """It hands a statement to a speaker."""
    speaking: bool
    """It has a verb of saying of any kind, outside quotations."""
    speakers: frozenset[str]
    """Terms that stand where the speaker does."""
    pronoun_speaker: bool
    body_speaker: bool
    """An organisation named before is the speaker: "the company"."""
    pronouns: bool
    """It has a pronoun for someone named before."""
    official: bool
    """An authority is the speaker: police, a ministry, figures."""
    partisan: bool
    """One with an interest is the speaker: a union, a company, critics."""
    placed: frozenset[str]
    """Names that say where: after "in"."""
    passive: bool
    words: int


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """A sentence of an article."""

    text: str
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
    known: frozenset[str]
    """Its names in small letters, as written."""
    small: frozenset[str]
    """Its words that are written small somewhere."""
    halves: dict[str, str]
    """What stands for another name: "the North" for North Korea, "Sovian" for Sovia."""
    names: frozenset[str]
    """Every name's terms."""
    offices: frozenset[str]
    """Terms of the offices that it speaks of: "president"."""
    full_names: dict[str, tuple[str, ...]]
    """A name's last term → the longest run that it ends."""
    days: frozenset[str]
    hero: str
    """The name that most of its sentences have."""
    spread: dict[str, int]
    """Term → in how many of its sentences it stands."""
    _text_chars: int
    _letters: list[str] = field(default_factory=list)
    _identities: dict[str, frozenset[str]] = field(default_factory=dict)

    @property
    def letters(self) -> str:
        """Title and text, letters and digits only, for finding quotations."""
        if not self._letters:
            self._letters.append(letters_only(f" {self.title.text} {self.source.text[: self._text_chars]} "))
        return self._letters[0]

    def identity(self, name: str) -> frozenset[str]:
        """Give the names and offices that stand near a name anywhere in the article: "South Korean President" for "lee"."""
        found = self._identities.get(name)
        if found is None:
            found = self._identities[name] = frozenset(self._near(name))
        return found

    def _near(self, name: str) -> Iterable[str]:
        for statement in (self.title, *self.body):
            if name not in statement.marks.terms:
                continue
            tokens = statement.tokens
            for place, token in enumerate(tokens):
                if name in token.word.terms:
                    for other in tokens[max(0, place - IDENTITY_REACH) : place + IDENTITY_REACH + 1]:
                        word = other.word
                        if word.low in self.known or word.low in self.lexicon.titles:
                            yield from word.terms


def read_article(source: Source, limits: Limits = DEFAULT_LIMITS) -> Reading:
    """Read an article. Never raises, whatever the text; reads at most what `limits` allow."""
    lexicon = load_lexicon(source.language)
    title = clean_line(source.title, limits.title_chars)
    pieces = split(source.text, source.language, limits)
    tokens = [tokenise(piece.text, source.language) for piece in pieces]
    known, small = _find_names(tokens, lexicon)
    halves = _find_halves(tokens, lexicon) if lexicon.directions or lexicon.people_endings else {}
    published = source.published_at.date() if source.published_at else None
    body = tuple(
        Statement(piece.text, place, piece.paragraph, piece.whole, mark(piece.text, held, lexicon, known, halves, published), held)
        for place, (piece, held) in enumerate(zip(pieces, tokens, strict=True))
    )
    title_tokens = tokenise(title, source.language)
    heading = Statement(title, -1, -1, False, mark(title, title_tokens, lexicon, known, halves, published), title_tokens)
    full: dict[str, tuple[str, ...]] = {}
    names: set[str] = set()
    spread: dict[str, int] = {}
    days: set[str] = set()
    for statement in (heading, *body):
        marks = statement.marks
        for run in marks.names:
            names.update(run)
            if len(run) > len(full.get(run[-1], ())):
                full[run[-1]] = run
        for term in marks.terms:
            spread[term] = spread.get(term, 0) + 1
        if marks.days:
            days.update(*marks.days)
    offices = _title_terms(source.language).intersection(spread)
    hero = max(full, key=lambda name: (spread[name] + IN_TITLE * (name in heading.marks.terms), name), default="")
    return Reading(
        source,
        lexicon,
        heading,
        body,
        known,
        small,
        halves,
        frozenset(names),
        offices,
        full,
        frozenset(days),
        hero,
        spread,
        limits.text_chars,
    )


@lru_cache(maxsize=64)
def _title_terms(language: str) -> frozenset[str]:
    lexicon = load_lexicon(language)
    return frozenset(stem(title, lexicon) for title in lexicon.titles)


def read_sentence(text: str, like: Reading) -> Marks:
    """Read a sentence that no article has, such as a model's, with the names and days of the article that it is like."""
    tokens = tokenise(text, like.source.language)
    published = like.source.published_at.date() if like.source.published_at else None
    return mark(text, tokens, like.lexicon, like.known, like.halves, published)


def letters_only(text: str) -> str:
    """Give a text's letters and digits in small, other signs as single blanks."""
    return _NOT_LETTERS.sub(" ", text.replace("’", "").replace("‘", " ").replace("'", "").casefold())


def _fold(word: str) -> str:
    if word.isascii():
        return word
    return "".join(sign for sign in unicodedata.normalize("NFD", word) if not unicodedata.combining(sign)) or word


def stem(low: str, lexicon: Lexicon) -> str:
    """Give a word's term: the standard form of what says the same, or its stem."""
    standard = lexicon.same.get(low)
    if standard is not None:
        return standard
    if lexicon.language == "en" and len(low) > 4:
        low = _to_american(low)
    stemmed = lexicon.stemmer.stemWord(low) if lexicon.stemmer is not None else low
    return lexicon.same.get(stemmed) or _fold(stemmed)


def _to_american(low: str) -> str:
    """Give the American spelling: "organize", "color", "meter"."""
    if len(low) > 6:
        low = _BRITISH.sub(r"iz\1", low)
    low = _OUR.sub(r"or\1", low)
    return _TRE.sub(r"ter\1", low)


@lru_cache(maxsize=100_000)
def know_word(surface: str, language: str) -> Word:
    """Give what is known of a word as it is written."""
    lexicon = load_lexicon(language)
    straight = surface[:LONG_WORD].replace("’", "'")
    low = straight.lower()
    if low in lexicon.stop and 2 <= len(straight) <= 4 and straight.isupper():
        low = f"{low}."
    negation = low in lexicon.negations
    if "'" in low:
        low, negation = _without_apostrophe(low, lexicon, negation)
    capital = straight[:1].isupper()
    value = lexicon.number_words.get(low)
    scale = lexicon.scales.get(low)
    special = (
        negation
        or value is not None
        or scale is not None
        or low in lexicon.turns
        or low in lexicon.opposites
        or low in lexicon.speech
        or low in lexicon.attributing
        or low in lexicon.weekdays
        or low in lexicon.months
        or low in lexicon.relative_days
        or low in lexicon.percent
        or low in lexicon.pair_starts
        or low in lexicon.that_verbs
        or low in lexicon.superlatives
        or low in lexicon.metonyms
        or low in lexicon.directions
    )
    if low in lexicon.stop or negation or not low:
        return Word(low, (), 0.0, capital, True, special, negation, value, scale)
    if value is not None or scale is not None:
        return Word(low, (), 0.0, capital, False, True, False, value, scale)
    if not low.isascii() and _IDEOGRAPH.search(low):
        return Word(low, _sign_pairs(low, lexicon), SIGN_PAIR_WEIGHT, False, False, special)
    if not low.isascii() and _HANGUL.search(low):
        return Word(low, (low[:2] if len(low) <= 3 else low[:3],), 1.0, False, False, special)
    weight = 0.0 if low in lexicon.attributing else WEAK_WEIGHT if low in lexicon.weak or low in lexicon.bodies or len(low) == 1 else 1.0
    return Word(low, (stem(low, lexicon),), weight, capital, False, special)


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
        pairs.extend(kept if len(kept) == 1 else (left + right for left, right in itertools.pairwise(kept)))
    return tuple(pairs)


def tokenise(text: str, language: str) -> tuple[Token, ...]:
    """Give a sentence's words, numbers and marks in order; `quoted` tells what stands in a quotation."""
    tokens: list[Token] = []
    add, new = tokens.append, tuple.__new__
    quoted = False
    for found in TOKEN.finditer(text):
        kind = found.lastindex
        written = found[0]
        start, end = found.span()
        if kind == WORD:
            add(new(Token, (know_word(written, language), "", start, end, quoted)))
        elif kind == MARK:
            if written in OPENING:
                quoted = True
            elif written in ENDING:
                quoted = False
            elif written == '"':
                quoted = not quoted
            add(new(Token, (NO_WORD, written, start, end, quoted)))
        elif kind == NUMBER:
            add(new(Token, (_know_number(written, language), "", start, end, quoted)))
        else:
            add(new(Token, (know_word(written.replace(".", ""), language), "", start, end, quoted)))
    return tuple(tokens)


@lru_cache(maxsize=20_000)
def _know_number(written: str, language: str) -> Word:
    plain = _BLANK.sub("", written)[:LONG_WORD]
    thousands, decimal = (",", ".") if language in DECIMAL_POINT else (".", ",")
    if re.fullmatch(rf"\d{{1,3}}(?:\{thousands}\d{{3}})+(?:\{decimal}\d+)?", plain):
        plain = plain.replace(thousands, "").replace(decimal, ".")
    elif re.fullmatch(rf"\d+\{decimal}\d+", plain):
        plain = plain.replace(decimal, ".")
    elif re.fullmatch(r"\d+[.,]\d+", plain):
        plain = plain.replace(",", ".")
    elif not plain.isdecimal():
        return Word(plain, (plain,), 1.0, False, False, False)
    return Word(plain, (), 0.0, False, False, True, False, float(plain))


def _find_names(tokens: Iterable[Sequence[Token]], lexicon: Lexicon) -> tuple[frozenset[str], frozenset[str]]:
    """Find an article's names: words with a capital inside sentences that are nowhere written small; and all that are."""
    raised: dict[str, int] = {}
    small: dict[str, int] = {}
    for held in tokens:
        before: Token | None = None
        for token in held:
            word = token.word
            if word.low and not token.mark:
                if not word.capital:
                    small[word.low] = small.get(word.low, 0) + 1
                elif before is not None and not before.mark and not word.stop:
                    noun = lexicon.nouns_capital and (before.word.low in lexicon.determiners or _is_adjective(before.word))
                    counted = small if noun else raised
                    counted[word.low] = counted.get(word.low, 0) + 1
            before = token
    least = 100 if lexicon.nouns_capital else 1
    return frozenset(low for low, count in raised.items() if count > small.get(low, 0) * least), frozenset(small)


def _find_halves(tokens: Iterable[Sequence[Token]], lexicon: Lexicon) -> dict[str, str]:
    """Find what stands for another name: a direction for the name that it most often begins, "sovian" for "sovia" beside it."""
    counts: dict[str, dict[str, int]] = {}
    capital: set[str] = set()
    for held in tokens:
        left = ""
        for token in held:
            word = token.word
            if not word.capital:
                left = ""
                continue
            if left in lexicon.directions and word.terms:
                found = counts.setdefault(left, {})
                found[word.terms[0]] = found.get(word.terms[0], 0) + 1
            left = word.low
            if not word.stop:
                capital.add(left)
    halves = {half: f"{half}-{max(found, key=lambda name: (found[name], name))}" for half, found in counts.items()}
    for name in capital:
        for ending in lexicon.people_endings:
            base = name[: -len(ending)]
            if len(base) > 3 and name.endswith(ending) and base in capital:
                halves.setdefault(name, stem(base, lexicon))
                break
    return halves


def _is_adjective(word: Word) -> bool:
    return not word.capital and not word.stop and word.low.endswith(("e", "en", "er", "es", "em"))


class _Speaker(NamedTuple):
    """Who speaks in a sentence: terms, and whether it is a pronoun, a body, an authority, or a party."""

    terms: frozenset[str]
    pronoun: bool
    body: bool
    official: bool
    partisan: bool


_NONE: frozenset[str] = frozenset()
_NOBODY = _Speaker(_NONE, False, False, False, False)
_NO_TURNS: dict[int, frozenset[str]] = {}
_NO_SIDES: dict[int, frozenset[int]] = {}


class _Marker:
    """Reads one sentence's tokens once, collecting what `Marks` holds."""

    def __init__(
        self,
        text: str,
        tokens: Sequence[Token],
        lexicon: Lexicon,
        known: frozenset[str],
        halves: Mapping[str, str],
        published: date | None,
    ) -> None:
        self.halves = halves
        self.text = text
        self.tokens = tokens
        self.lexicon = lexicon
        self.known = known
        self.published = published
        self.terms: dict[str, float] = {}
        self.content: list[tuple[int, str]] = []
        self.names: list[tuple[str, ...]] = []
        self.run: list[str] = []
        self.run_end = -1
        self.breaks: list[int] = [0]
        self.counted: set[int] = set()
        self.figures: list[tuple[float, bool, int]] = []
        self.days: list[frozenset[str]] = []
        self.negations: list[int] = []
        self.highest: list[int] = []
        self.turning: list[tuple[int, int]] = []
        self.sides: dict[int, set[int]] = {}
        self.sided: list[tuple[int, tuple[int, int]]] = []
        self.said: list[int] = []
        self.attributed = False
        self.placed: set[str] = set()
        self.passive = False
        self.pronouns = False
        self.words = 0

    def read(self) -> Marks:
        resume = -1
        lexicon, terms, add, breaks = self.lexicon, self.terms, self.content.append, self.breaks
        for place, (word, sign, _, _, quoted) in enumerate(self.tokens):
            if sign:
                if sign in CLAUSE_MARKS:
                    breaks.append(place)
                continue
            self.words += 1
            if place < resume:
                continue
            if word.special:
                resume = self._special(place, self.tokens[place])
                if resume > place:
                    continue
            if word.stop:
                low = word.low
                if low in lexicon.passives:
                    self.passive = True
                elif low in lexicon.subjects and not quoted:
                    self.pronouns = True
                elif low in _AND or low in lexicon.borders:
                    breaks.append(place)
            elif word.capital:
                self._term(place, word, word.terms)
            else:
                weight = word.weight
                for term in word.terms:
                    if weight >= terms.get(term, 0.0):
                        terms[term] = weight
                    add((place, term))
        if self.run:
            self.names.append(tuple(self.run))
        speaker = _find_speakers(self.tokens, self.said, lexicon) if self.said else _NOBODY
        return Marks(
            sequence=tuple([term for _, term in self.content]),
            terms=terms,
            weight=sum(terms.values()),
            names=tuple(self.names),
            name_terms=frozenset([term for run in self.names for term in run]) if self.names else _NONE,
            figures=tuple(self._figures()) if self.figures else (),
            days=tuple(self.days),
            negated=tuple([self._scope(place) for place in self.negations]) if self.negations else (),
            superlatives=tuple([self._raised(place) for place in self.highest]) if self.highest else (),
            turns=self._turns() if self.turning else _NO_TURNS,
            sides={pair: frozenset(found) for pair, found in self.sides.items()} if self.sides else _NO_SIDES,
            quotes=find_quotes(self.text),
            attributed=self.attributed,
            speaking=bool(self.said),
            speakers=speaker.terms,
            pronoun_speaker=speaker.pronoun,
            body_speaker=speaker.body,
            pronouns=self.pronouns,
            official=speaker.official,
            partisan=speaker.partisan,
            placed=frozenset(self.placed) if self.placed else _NONE,
            passive=self.passive,
            words=self.words if lexicon.language not in IDEOGRAPHIC else max(self.words, len(self.text) // 2),
        )

    def _term(self, place: int, word: Word, terms: Sequence[str], *, name: bool = False) -> None:
        name = name or (word.capital and word.low in self.known)
        if name and self.halves and word.low in self.halves:
            terms = (self.halves[word.low],)
        weight = NAME_WEIGHT if name else word.weight
        for term in terms:
            if weight >= self.terms.get(term, 0.0):
                self.terms[term] = weight
            self.content.append((place, term))
        if name and word.low not in self.lexicon.titles:
            if self.run and self._follows(place):
                self.run.extend(terms)
            else:
                if self.run:
                    self.names.append(tuple(self.run))
                self.run = list(terms)
            self.run_end = place
            if self._is_placed(place, len(self.run)):
                self.placed.update(self.run)

    def _is_placed(self, place: int, length: int) -> bool:
        start = place - length
        if start > 0 and self.tokens[start].word.low in self.lexicon.determiners:
            start -= 1
        return start >= 0 and self.tokens[start].word.low in self.lexicon.locatives

    def _follows(self, place: int) -> bool:
        between = self.text[self.tokens[self.run_end].end : self.tokens[place].start]
        return place == self.run_end + 1 and between in _WITHIN_NAME

    def _special(self, place: int, token: Token) -> int:
        """Read a word that may be a number, day, negation, turn, side, verb of saying or pair; give where reading goes on."""
        lexicon = self.lexicon
        word = token.word
        low = word.low
        if word.negation:
            after = self.tokens[place + 1].word.low if place + 1 < len(self.tokens) else ""
            if after not in _ONLY:
                self.negations.append(place)
        day = self._day(place) if word.value is not None or low in lexicon.dates else None
        if day is not None:
            if not token.quoted:
                self.days.append(day[0])
            return day[1]
        if word.value is not None and not self._is_compound(place):
            return self._figure(place)
        if low in lexicon.that_verbs and place + 1 < len(self.tokens) and self.tokens[place + 1].word.low in lexicon.linking:
            self.said.append(place)
            self.attributed = True
            return place + 1
        if low in lexicon.percent and self.figures:
            value, _, clause = self.figures[-1]
            self.figures[-1] = (value, True, clause)
            return place + 1
        if low in lexicon.pair_starts and place + 1 < len(self.tokens):
            pair = lexicon.same.get(f"{low}-{self.tokens[place + 1].word.low}")
            if pair is not None:
                turn = lexicon.turns.get(f"{low}-{self.tokens[place + 1].word.low}")
                if turn is not None:
                    self.turning.append((place + 1, turn))
                self._term(place, Word(low, (), 1.0, word.capital and low in self.known, False, False), (pair,))
                return place + 2
        place_name = self._place_name(place)
        if place_name is not None:
            return place_name
        turn = lexicon.turns.get(low)
        if turn is not None and not word.capital:
            self.turning.append((place, turn))
        if low in lexicon.superlatives:
            self.highest.append(place)
        side = lexicon.opposites.get(low)
        if side is not None:
            self.sides.setdefault(side[0], set()).add(side[1])
            self.sided.append((len(self.breaks) - 1, side))
        told_to = place > 0 and self.tokens[place - 1].word.low in lexicon.helpers
        if (low in lexicon.speech or low in lexicon.attributing) and not token.quoted and not told_to:
            self.said.append(place)
            self.attributed |= low in lexicon.attributing
        return place

    def _is_compound(self, place: int) -> bool:
        """Say whether a number in letters is part of a word ("two-state") and no count or age ("seventeen-year-old")."""
        token = self.tokens[place]
        if not token.word.low.isalpha() or self.text[token.end : token.end + 1] != "-":
            return False
        after = self.tokens[place + 1].word if place + 1 < len(self.tokens) else NO_WORD
        return after.low not in self.lexicon.units and after.value is None

    def _place_name(self, place: int) -> int | None:
        """Read "North Korea", "the North" and "Beijing" where it means a government; give where reading goes on."""
        lexicon = self.lexicon
        word = self.tokens[place].word
        if not word.capital:
            return None
        before = self.tokens[place - 1].word.low if place else ""
        term: str | None = None
        end = place + 1
        if word.low in lexicon.directions:
            after = self.tokens[place + 1].word if place + 1 < len(self.tokens) else NO_WORD
            if after.capital and after.terms:
                term, end = f"{word.low}-{after.terms[0]}", place + 2
            elif before in lexicon.determiners:
                term = self.halves.get(word.low)
        elif word.low in lexicon.metonyms and before not in lexicon.locatives:
            term = lexicon.metonyms[word.low]
        if term is None:
            return None
        self._term(place, word._replace(stop=False), (term,), name=True)
        return end

    def _figure(self, place: int) -> int:
        """Read a number that may go on in words: "1.5 million", "twenty-one", "two hundred", "ten percent"."""
        tokens, lexicon = self.tokens, self.lexicon
        first = tokens[place].word
        value = first.value or 0.0
        at = place + 1
        while at < min(len(tokens), place + 5) and not tokens[at].mark:
            word = tokens[at].word
            if word.scale is not None:
                value *= word.scale
            elif word.value is not None and value in _TENS and 1 <= word.value <= 9 and not word.low.isdigit():
                value += word.value
            else:
                break
            at += 1
        unit = at < len(tokens) and (tokens[at].mark in _PERCENT or tokens[at].word.low in lexicon.percent)
        uncounted = at >= len(tokens) or tokens[at].word.stop
        if not first.low.isdigit() and uncounted and (first.value == 1 or (place and tokens[place - 1].word.low in lexicon.determiners)):
            return at
        self.breaks.append(place)
        self.counted.add(len(self.breaks) - 1)
        self.figures.append((value, unit, len(self.breaks) - 1))
        return at + 1 if unit else at

    def _figures(self) -> Iterable[Figure]:
        for value, unit, clause in self.figures:
            first = clause - 2 if clause - 1 in self.counted else clause - 1
            sides = frozenset(side for at, side in self.sided if first <= at <= clause)
            start, end = self.breaks[first], self.breaks[clause + 1] if clause + 1 < len(self.breaks) else len(self.tokens)
            yield Figure(_show(value, unit), frozenset([term for at, term in self.content if start <= at < end]), sides)

    def _day(self, place: int) -> tuple[frozenset[str], int] | None:
        """Read a day or month: its possible dates, and where reading goes on. None if the word is none."""
        tokens, lexicon = self.tokens, self.lexicon
        word = tokens[place].word
        low = word.low
        small_too = lexicon.language not in {"en", "de"}
        if low in lexicon.weekdays and (word.capital or small_too):
            return self._weekday(lexicon.weekdays[low]), place + 1
        if low in lexicon.relative_days and self.published is not None:
            return frozenset({(self.published + timedelta(days=lexicon.relative_days[low])).isoformat()}), place + 1
        if low in lexicon.months and (word.capital or small_too):
            after = tokens[place + 1].word if place + 1 < len(tokens) else NO_WORD
            if after.value is not None and 1 <= after.value <= 31 and after.low.isdigit():
                return self._date(lexicon.months[low], int(after.value)), place + 2
            return frozenset({f"month-{lexicon.months[low]}"}), place + 1
        if word.value is not None and 1 <= word.value <= 31 and low.isdigit():
            for skip in (1, 2):
                if place + skip >= len(tokens) or (skip == 2 and tokens[place + 1].word.low not in _OF):
                    break
                month = tokens[place + skip].word
                if month.low in lexicon.months and (month.capital or small_too):
                    return self._date(lexicon.months[month.low], int(word.value)), place + skip + 1
        return None

    def _weekday(self, day: int) -> frozenset[str]:
        if self.published is None:
            return frozenset({f"weekday-{day}"})
        last = self.published - timedelta(days=(self.published.weekday() - day) % 7)
        return frozenset({last.isoformat(), (last + timedelta(days=7)).isoformat()})

    def _date(self, month: int, day: int) -> frozenset[str]:
        if self.published is not None:
            try:
                return frozenset({date(self.published.year, month, day).isoformat()})
            except ValueError:
                pass
        return frozenset({f"{month:02d}-{day:02d}"})

    def _scope(self, place: int) -> frozenset[str]:
        """Give the terms of its clause that a negation or turning word touches: those after it, or those before if there are none."""
        end = place + 1
        while end < len(self.tokens) and self.tokens[end].mark not in CLAUSE_MARKS:
            end += 1
        after = [term for at, term in self.content if place < at < end][:SCOPE]
        if after and not self.lexicon.verb_late:
            return frozenset(after)
        start = place
        while start > 0 and self.tokens[start - 1].mark not in CLAUSE_MARKS:
            start -= 1
        return frozenset([*after, *[term for at, term in self.content if start <= at < place][-SCOPE:]])

    def _raised(self, place: int) -> frozenset[str]:
        term = next((term for at, term in self.content if at > place), "")
        return frozenset({term} if self.terms.get(term, 0.0) > WEAK_WEIGHT else ())

    def _turns(self) -> dict[int, frozenset[str]]:
        merged: dict[int, frozenset[str]] = {}
        for place, turn in self.turning:
            merged[turn] = merged.get(turn, frozenset()) | self._scope(place)
        return merged


_AND = frozenset({"and", "y", "und", "et", "e", "en", "и"})
_ONLY = frozenset({"only", "sólo", "solo", "nur", "seulement", "apenas", "soltanto", "только"})
_OF = frozenset({"of", "de"})
_TENS = frozenset({20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0})
_PERCENT = frozenset("%٪")
_WITHIN_NAME = frozenset({" ", "-", ". ", ".", "\u00a0", "·", "・"})


def mark(
    text: str, tokens: Sequence[Token], lexicon: Lexicon, known: frozenset[str], halves: Mapping[str, str], published: date | None
) -> Marks:
    """Read what a sentence says.

    `known` are its article's names in small letters, `halves` what "the North" means there, `published` dates its weekdays.
    """
    return _Marker(text, tokens, lexicon, known, halves, published).read()


def _show(value: float, unit: bool) -> str:
    shown = f"{value:.12g}"
    return f"{shown}%" if unit else shown


def _find_speakers(tokens: Sequence[Token], said: Sequence[int], lexicon: Lexicon) -> _Speaker:
    """Give the terms where a verb of saying has its speaker, and whether a pronoun, a body, an authority or a party stands there."""
    speakers: set[str] = set()
    pronoun = official = partisan = bodies = False
    for place in said:
        zone = [tokens[at] for at in _speaker_zone(tokens, place, lexicon)]
        named = body = False
        for token in zone:
            word = token.word
            if token.mark or token.quoted:
                continue
            if word.low in lexicon.weekdays or word.low in lexicon.months:
                continue
            if word.terms:
                body = word.low in lexicon.bodies and not named
                named = True
                official |= word.low in lexicon.officials
                partisan |= word.low in lexicon.partisans
                speakers.update(word.terms)
        bodies |= body
        pronoun |= not named and any(token.word.low in lexicon.subjects for token in zone)
    return _Speaker(frozenset(speakers), pronoun, bodies, official, partisan)


def _speaker_zone(tokens: Sequence[Token], place: int, lexicon: Lexicon) -> Sequence[int]:
    before = tokens[place - 1] if place else None
    after = place + 1
    while after < min(len(tokens), place + 1 + INVERTED_REACH) and not tokens[after].mark:
        after += 1
    if tokens[place].word.low in lexicon.sourcing:
        return range(place + 1, after)
    parted = before is not None and (before.mark == "," or before.mark in ENDING or before.mark == '"')
    verbs = any(
        t.word.low in lexicon.auxiliaries or (t.word.low.endswith(lexicon.verb_endings) and lexicon.verb_endings)
        for t in tokens[place + 1 : after]
    )
    linked = place + 1 < len(tokens) and tokens[place + 1].word.low in lexicon.linking
    if parted and not linked and after > place + 1 and (before is None or before.mark != "," or _is_quoted(tokens, place) or not verbs):
        return range(place + 1, after)
    start = place - 1
    breaks = 0 if not parted else -1
    while start >= 0 and place - start <= SPEAKER_REACH:
        token = tokens[start]
        if token.quoted or token.mark in OPENING or token.mark in ENDING or token.mark in _QUOTE_ENDS:
            break
        if token.mark in CLAUSE_MARKS and start < place - 1:
            breaks += 1
            if breaks >= 1 or token.mark != ",":
                break
        start -= 1
    return range(start + 1, place)


_QUOTE_ENDS = frozenset('";:')


def _is_quoted(tokens: Sequence[Token], place: int) -> bool:
    return place >= 2 and (tokens[place - 2].quoted or tokens[place - 2].mark in ENDING or tokens[place - 2].mark == '"')


def find_quotes(text: str) -> tuple[str, ...]:
    """Give the quoted passages of a sentence, letters and digits only, parted where something is left out."""
    if not _QUOTE_MARK.search(text):
        return ()
    found: list[str] = []
    for match in _QUOTED.finditer(text):
        passage = next(group for group in match.groups() if group is not None)
        for part in _OMISSION.split(passage):
            letters = letters_only(part).strip()
            if letters:
                found.append(letters)
    return tuple(found)

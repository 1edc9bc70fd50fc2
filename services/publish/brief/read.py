"""Reads articles: their sentences, whom they are about and what stands for what in them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from services.publish.brief.lexicon import Lexicon, load_lexicon
from services.publish.brief.limits import DEFAULT_LIMITS, Limits
from services.publish.brief.marks import Marks, mark
from services.publish.brief.source import Source
from services.publish.brief.split import clean_line, split
from services.publish.brief.words import Token, Word, letters_only, stem, tokenise

IDENTITY_REACH = 6
"""Tokens around a name in which its office and country stand."""
IN_TITLE = 2
"""Sentences that a name's place in the title counts for, in finding whom an article is about."""


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
    values: frozenset[str]
    """Every number that it gives."""
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
                    reach = tokens[max(0, place - IDENTITY_REACH) : place + IDENTITY_REACH + 1]
                    for at, other in enumerate(reach):
                        word = other.word
                        if word.low in self.known or word.low in self.lexicon.titles:
                            yield from word.terms
                            pair = self.lexicon.same.get(f"{word.low}-{reach[at + 1].word.low}") if at + 1 < len(reach) else None
                            if pair is not None:
                                yield pair


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
    values: set[str] = set()
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
        if marks.periods:
            days.update(*marks.periods)
        if marks.figures:
            values.update([figure.value for figure in marks.figures])
    offices = title_terms(source.language).intersection(spread)
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
        frozenset(values),
        hero,
        spread,
        limits.text_chars,
    )


@lru_cache(maxsize=64)
def title_terms(language: str) -> frozenset[str]:
    """Give the terms of offices: "president"."""
    lexicon = load_lexicon(language)
    return frozenset(stem(title, lexicon) for title in lexicon.titles) | {
        standard for pair, standard in lexicon.same.items() if pair.partition("-")[2] in lexicon.titles
    }


def read_sentence(text: str, like: Reading) -> Marks:
    """Read a sentence that no article has, such as a model's, with the names and days of the article that it is like."""
    tokens = tokenise(text, like.source.language)
    published = like.source.published_at.date() if like.source.published_at else None
    return mark(text, tokens, like.lexicon, like.known, like.halves, published)


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
    pairs = {half: f"{half}-{max(found, key=lambda name: (found[name], name))}" for half, found in counts.items()}
    halves = {half: lexicon.same.get(pair, pair) for half, pair in pairs.items()}
    for name in capital:
        for ending in lexicon.people_endings:
            base = name[: -len(ending)]
            if len(base) > 3 and name.endswith(ending) and base in capital:
                halves.setdefault(name, stem(base, lexicon))
                break
    return halves


def _is_adjective(word: Word) -> bool:
    return not word.capital and not word.stop and word.low.endswith(("e", "en", "er", "es", "em"))

"""What the brief knows of a language: small word lists, one TOML file a language, read when first needed."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import Stemmer

FALLBACK = "und"
"""Used for a language without a file: no word lists, so that only shared words, numbers and quotations count."""

STEMMERS: Mapping[str, str] = {
    "ar": "arabic",
    "ca": "catalan",
    "cs": "czech",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "et": "estonian",
    "fa": "persian",
    "fi": "finnish",
    "fr": "french",
    "hi": "hindi",
    "hu": "hungarian",
    "id": "indonesian",
    "it": "italian",
    "nl": "dutch",
    "no": "norwegian",
    "nb": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "tr": "turkish",
}


INTENT = -1
"""The class of the turning words that tell of what is only meant to be."""


@dataclass(frozen=True, slots=True, eq=False)
class Lexicon:
    """One language's word lists, in lower case."""

    language: str
    stemmer: Any
    nouns_capital: bool
    """Every noun has a capital (German), so that a capital does not show a name."""
    verb_late: bool
    """A negation may follow what it touches (German, Dutch)."""
    stop: frozenset[str] = frozenset()
    weak: frozenset[str] = frozenset()
    negations: frozenset[str] = frozenset()
    turns: Mapping[str, int] = field(default_factory=dict)
    """A word's class: denial, refusal, possibility, condition … A class is in both texts or in neither."""
    futures: frozenset[str] = frozenset()
    """Words of the future, which say what an intent says: "will"."""
    opposites: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """A word's pair and side of it."""
    speech: frozenset[str] = frozenset()
    attributing: frozenset[str] = frozenset()
    """Verbs of saying that hand the whole statement to its speaker."""
    sourcing: frozenset[str] = frozenset()
    """Words whose source follows: "according" to, "selon", "laut"."""
    officials: frozenset[str] = frozenset()
    """Authorities whose word news takes as fact: police, a ministry, figures."""
    partisans: frozenset[str] = frozenset()
    """Speakers with an interest, whose word is a claim: a union, a company, critics."""
    bodies: frozenset[str] = frozenset()
    """What stands for an organisation named before: "the company said"."""
    that_verbs: frozenset[str] = frozenset()
    """Verbs of saying only before "that": "ruled", "found"."""
    passives: frozenset[str] = frozenset()
    """Words that turn who did what around: "by"."""
    openers: frozenset[str] = frozenset()
    needs_context: frozenset[str] = frozenset()
    context_phrases: tuple[str, ...] = ()
    cut_leads: tuple[str, ...] = ()
    """Opening phrases before a comma that can be cut away: "however"."""
    cut_words: frozenset[str] = frozenset()
    """Opening words that can be cut away without a comma: "but"."""
    also_words: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset()
    """Pronouns that stand for someone named before."""
    first_person: frozenset[str] = frozenset()
    second_person: frozenset[str] = frozenset()
    reaction: frozenset[str] = frozenset()
    background: frozenset[str] = frozenset()
    wider: frozenset[str] = frozenset()
    weekdays: Mapping[str, int] = field(default_factory=dict)
    months: Mapping[str, int] = field(default_factory=dict)
    dates: frozenset[str] = frozenset()
    """All words of days and months."""
    comparing: frozenset[str] = frozenset()
    """Words that follow a comparative: "than"."""
    spans: frozenset[str] = frozenset()
    """Words before a day that make it a span: "since"."""
    relative_days: Mapping[str, int] = field(default_factory=dict)
    periods: frozenset[str] = frozenset()
    """ "week", "year": dates where a word of `period_steps` stands before them."""
    period_steps: Mapping[str, int] = field(default_factory=dict)
    number_words: Mapping[str, float] = field(default_factory=dict)
    scales: Mapping[str, float] = field(default_factory=dict)
    percent: frozenset[str] = frozenset()
    same: Mapping[str, str] = field(default_factory=dict)
    """A word's (or its stem's, or two joined words') standard form, where several say the same."""
    near: tuple[tuple[str, ...], ...] = ()
    """Families of words that may stand for each other where the rest of a sentence agrees; a word may be in several."""
    place_terms: frozenset[str] = frozenset()
    """Terms of countries and their peoples."""
    metonyms: Mapping[str, str] = field(default_factory=dict)
    """A seat of government → its country's term: "Beijing has resisted" says that China has."""
    locatives: frozenset[str] = frozenset()
    """Words after which a seat of government is a town: "in"."""
    people_endings: tuple[str, ...] = ()
    """Endings that make a country's name its people's: "n", "ese"."""
    directions: frozenset[str] = frozenset()
    """First halves of countries' names: "north"."""
    pair_starts: frozenset[str] = frozenset()
    """First words of the pairs in `same`."""
    borders: frozenset[str] = frozenset()
    """A sentence can end before these and stay whole: "after", "while"."""
    title_borders: frozenset[str] = frozenset()
    """Besides, a title can end before these: "as"."""
    weak_borders: frozenset[str] = frozenset()
    """It often can: "in", "with"."""
    loose_borders: frozenset[str] = frozenset()
    """It can where enough stands before: "for"."""
    clause_starts: frozenset[str] = frozenset()
    """Words that begin a clause of its own after a comma: "and", "while"."""
    trim_borders: frozenset[str] = frozenset()
    """Words that begin a last part of time or cause without a comma: "after"."""
    pair_words: frozenset[str] = frozenset()
    """Words that promise a second part: "both", "either"."""
    articles: frozenset[str] = frozenset()
    units: frozenset[str] = frozenset()
    """Measures that wait for a border's other side: "nine minutes after"."""
    ages: frozenset[str] = frozenset()
    """Words that with a unit stand for a person: "the 41-year-old"."""
    infinitives: frozenset[str] = frozenset()
    """Words before a verb's infinitive: "to"."""
    least: frozenset[str] = frozenset()
    """Second words of phrases that open a number: "at least"."""
    intransitive: frozenset[str] = frozenset()
    """Verbs that end a sentence well: "died", "resigned"."""
    objects: frozenset[str] = frozenset()
    """Pronouns in the object's place, which stand for someone else than the subject."""
    dangling: frozenset[str] = frozenset()
    auxiliaries: frozenset[str] = frozenset()
    copulas: frozenset[str] = frozenset()
    """Verbs that tell what something is: what follows them is seldom whole before a preposition."""
    helpers: frozenset[str] = frozenset()
    """Verbs of the passive: "was", "been"."""
    conditions: frozenset[str] = frozenset()
    """Words of a condition or limit, which is never cut away: "if", "unless", "only"."""
    possessives: frozenset[str] = frozenset()
    relatives: frozenset[str] = frozenset()
    """Words that open an insertion about what was named: "who"."""
    linking: frozenset[str] = frozenset()
    """Words that join what is said to who says it: "that"."""
    superlatives: frozenset[str] = frozenset()
    """Words that make a claim hold only with all that follows: "most", "first", "only"."""
    loaded: frozenset[str] = frozenset()
    """Words of opinion that a report only quotes."""
    holders: frozenset[str] = frozenset()
    """Verbs whose other half stands at the clause's end (German, Dutch)."""
    halves: frozenset[str] = frozenset()
    """Such halves: "aan", "op"."""
    questions: frozenset[str] = frozenset()
    """Words that open a question: "what"."""
    loose_articles: frozenset[str] = frozenset()
    """Words before a noun that is told of next: "a", "its"."""
    adjective_endings: tuple[str, ...] = ()
    vague: frozenset[str] = frozenset()
    """Nouns that say little without what follows: "issued a statement"."""
    ing_nouns: frozenset[str] = frozenset()
    """English nouns that end as participles do: "meeting"."""
    imperatives: frozenset[str] = frozenset()
    """First words that speak to the reader: "look"."""
    subordinates: frozenset[str] = frozenset()
    """First words of a clause that waits for another: "while"."""
    labels: tuple[str, ...] = ()
    """Labels before a colon that are no part of the sentence: "why it matters"."""
    determiners: frozenset[str] = frozenset()
    short_forms: frozenset[str] = frozenset()
    titles: frozenset[str] = frozenset()
    elisions: frozenset[str] = frozenset()
    """Words that lose their vowel before an apostrophe: French "l", Italian "dell"."""
    verb_endings: tuple[str, ...] = ()


@cache
def load_lexicon(language: str) -> Lexicon:
    """Give a language's lexicon; a language without a file gets an empty one with its stemmer, if there is one."""
    code = language if language.isascii() and language.isalpha() and len(language) <= 3 else FALLBACK
    file = files(__package__).joinpath("lexicons", f"{code}.toml")
    raw: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return _build(code, raw)


def _build(code: str, raw: dict[str, Any]) -> Lexicon:
    def words(name: str) -> frozenset[str]:
        return frozenset(str(raw.get(name, "")).split())

    def phrases(name: str) -> tuple[str, ...]:
        return tuple(sorted({p.strip() for p in str(raw.get(name, "")).split("|") if p.strip()}, key=lambda p: (-len(p), p)))

    def valued(name: str) -> list[tuple[str, float]]:
        return [(word, float(value)) for word, _, value in (entry.partition("=") for entry in words(name))]

    opposites: dict[str, tuple[int, int]] = {}
    for pair, sides in enumerate(raw.get("opposites", ())):
        for side, listed in enumerate(sides):
            for word in listed.split():
                opposites.setdefault(word, (pair, side))
    same: dict[str, str] = {}
    for line in (*_lines(raw.get("same", "")), *_lines(raw.get("places", ""))):
        for word in line:
            same.setdefault(word, line[0])
    stemmer = Stemmer.Stemmer(STEMMERS[code]) if code in STEMMERS else None
    if stemmer is not None:
        for word, standard in list(same.items()):
            if "-" not in word:
                same.setdefault(stemmer.stemWord(word), standard)

    def stem_of(word: str) -> str:
        return same.get(word, word)

    return Lexicon(
        language=code,
        stemmer=stemmer,
        nouns_capital=bool(raw.get("nouns_capital", False)),
        verb_late=bool(raw.get("verb_late", False)),
        stop=words("stop"),
        weak=words("weak"),
        negations=words("negations"),
        turns=_numbered(line.split() for line in raw.get("turns", ())) | dict.fromkeys(words("intents"), INTENT),
        futures=words("futures"),
        opposites=opposites,
        speech=words("speech"),
        attributing=words("attributing"),
        sourcing=words("sourcing"),
        officials=words("officials"),
        partisans=words("partisans"),
        bodies=words("bodies"),
        that_verbs=words("that_verbs"),
        passives=words("passives"),
        openers=words("openers"),
        needs_context=words("needs_context"),
        context_phrases=tuple(f"{phrase} " for phrase in phrases("context_phrases")),
        cut_leads=phrases("cut_leads"),
        cut_words=words("cut_words"),
        also_words=words("also_words"),
        subjects=words("subjects"),
        first_person=words("first_person"),
        second_person=words("second_person"),
        reaction=words("reaction"),
        background=words("background"),
        wider=words("wider"),
        weekdays=_numbered(line.split() for line in raw.get("weekdays", ())),
        months=_numbered((line.split() for line in raw.get("months", ())), start=1),
        dates=frozenset(word for group in (*raw.get("weekdays", ()), *raw.get("months", ())) for word in group.split())
        | {word for word, _ in valued("relative_days")},
        comparing=words("comparing"),
        spans=words("spans"),
        relative_days={word: int(value) for word, value in valued("relative_days")},
        periods=words("periods"),
        period_steps={word: int(value) for word, value in valued("period_steps")},
        number_words=dict(valued("number_words")),
        scales=dict(valued("scales")),
        percent=words("percent"),
        same=same,
        near=tuple(map(tuple, _lines(raw.get("near", "")))),
        place_terms=frozenset(line[0] for line in _lines(raw.get("places", ""))),
        metonyms={line[0]: stem_of(line[1]) for line in _lines(raw.get("metonyms", ""))},
        locatives=words("locatives"),
        people_endings=tuple(str(raw.get("people_endings", "")).split()),
        directions=words("directions"),
        pair_starts=frozenset(word.partition("-")[0] for word in same if "-" in word),
        borders=words("borders"),
        title_borders=words("title_borders"),
        weak_borders=words("weak_borders"),
        loose_borders=words("loose_borders"),
        clause_starts=words("clause_starts"),
        trim_borders=words("trim_borders"),
        pair_words=words("pair_words"),
        articles=words("articles"),
        units=words("units"),
        ages=words("ages"),
        infinitives=words("infinitives"),
        least=words("least"),
        intransitive=words("intransitive"),
        objects=words("objects"),
        dangling=words("dangling"),
        auxiliaries=words("auxiliaries"),
        copulas=words("copulas"),
        helpers=words("helpers"),
        conditions=words("conditions"),
        possessives=words("possessives"),
        relatives=words("relatives"),
        linking=words("linking"),
        superlatives=words("superlatives"),
        loaded=words("loaded"),
        vague=words("vague"),
        holders=words("holders"),
        halves=words("halves"),
        questions=words("questions"),
        loose_articles=words("loose_articles"),
        adjective_endings=tuple(str(raw.get("adjective_endings", "")).split()),
        ing_nouns=words("ing_nouns"),
        imperatives=words("imperatives"),
        subordinates=words("subordinates"),
        labels=phrases("labels"),
        determiners=words("determiners"),
        short_forms=words("short_forms"),
        titles=words("titles"),
        elisions=words("elisions"),
        verb_endings=tuple(str(raw.get("verb_endings", "")).split()),
    )


def _lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.strip()]


def _numbered(groups: Iterable[Iterable[str]], start: int = 0) -> dict[str, int]:
    numbered: dict[str, int] = {}
    for number, group in enumerate(groups, start):
        for word in group:
            numbered.setdefault(word, number)
    return numbered

"""Whatever the articles are, a brief is made, in bounded time and size, and every citation holds."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.publish.brief.audit import audit
from services.publish.brief.compose import compose
from services.publish.brief.limits import DEFAULT_LIMITS
from shared.contracts import Brief
from tests.brief.made_up import labelled_stories, source, story

BOUND_S = 20.0
"""Seconds on a busy machine; a hundred long articles take one."""

SENTENCES = [
    sentence.strip()
    for file in ("labelled.toml", "labelled_wire.toml")
    for told, _ in labelled_stories(file)
    if told["language"] == "en"
    for article in told["article"]
    for sentence in article["text"].strip().splitlines()
]
LANGUAGES = st.sampled_from(["en", "de", "es", "fr", "it", "pt", "nl", "ru", "zh", "ja", "ko", "ar", "und", "xx", "sw"])
ANY_TEXT = st.text(max_size=400)
REPORT = st.lists(st.sampled_from(SENTENCES), max_size=12).map("\n".join)
BROKEN = st.lists(st.one_of(st.sampled_from(SENTENCES), st.text(max_size=40)), max_size=10).map(" ".join)
ARTICLE = st.tuples(ANY_TEXT, st.one_of(ANY_TEXT, REPORT, BROKEN), LANGUAGES)


@settings(max_examples=150, deadline=None)
@given(st.lists(ARTICLE, max_size=6))
def test_any_articles_give_a_sound_brief(articles: list[tuple[str, str, str]]) -> None:
    sources = [source(number, title, text, language=language) for number, (title, text, language) in enumerate(articles, 1)]
    brief = compose(story(sources, headline="A headline"), sources)
    assert Brief.from_bytes(brief.to_bytes()) == brief
    assert [finding for finding in audit(brief, sources) if finding.what != "heading_length"] == []


@settings(max_examples=60, deadline=None)
@given(st.lists(REPORT, min_size=2, max_size=6))
def test_reports_of_the_same_sentences_cite_all_that_have_them(reports: list[str]) -> None:
    sources = [source(number, f"Report {number} of the day", text) for number, text in enumerate(reports, 1)]
    brief = compose(story(sources), sources)
    assert audit(brief, sources) == []
    for section in brief.sections:
        for sentence in section.sentences:
            having = {each.number for each in sources if sentence.text in each.text}
            assert having <= set(sentence.citations)


@settings(max_examples=40, deadline=None)
@given(st.lists(ARTICLE, min_size=1, max_size=4), st.randoms())
def test_the_same_articles_give_the_same_bytes(articles: list[tuple[str, str, str]], chance: object) -> None:
    sources = [source(number, title, text, language=language) for number, (title, text, language) in enumerate(articles, 1)]
    told = story(sources, headline="A headline")
    shuffled = list(sources)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert compose(told, sources).to_bytes() == compose(told, shuffled).to_bytes()


HOSTILE = {
    "one_letter": "A" * 200_000,
    "letters_and_stops": "A." * 100_000,
    "capital_words": "Aa " * 70_000,
    "datelines": "KABUL — " * 30_000,
    "straight_quotes": '"' * 200_000,
    "open_quotes": "“A b c d e f g. " * 9_000,
    "apostrophes": "'a" * 100_000,
    "brackets": "(" * 200_000,
    "lines": "\n" * 200_000,
    "digits": "1" * 200_000,
    "numbers": "1,234 " * 40_000,
    "sayings": "said, " * 40_000,
    "pronouns": "He said. " * 25_000,
    "zero_width": "\u200b" * 200_000,
    "lone_surrogates": "\ud800 abc. " * 20_000,
    "combining": "e\u0301" * 100_000,
    "addresses": "a@b." * 50_000,
    "links": "http://" * 30_000,
    "ideographs": "中文" * 100_000,
    "no_spaces": "ไทย" * 60_000,
    "emoji": "😀" * 50_000,
    "controls": "".join(map(chr, range(32))) * 5_000,
    "nul": "The ferry ran aground\0 off the island. " * 3_000,
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("language", ["en", "de", "zh", "und"])
def test_hostile_texts_neither_raise_nor_take_long(name: str, language: str) -> None:
    text = HOSTILE[name]
    sources = [source(number, text[:3_000], text, language=language) for number in (1, 2, 3)]
    started = time.process_time()
    brief = compose(story(sources, headline="A headline"), sources)
    assert time.process_time() - started < BOUND_S / 4
    brief.to_bytes()


def test_a_hundred_long_articles_are_bounded() -> None:
    text = "\n".join(f"{sentence} {place}" for place, sentence in enumerate(SENTENCES * 20))
    sources = [source(number, f"Title {number} of the report", text[number * 50 :]) for number in range(1, 101)]
    started = time.process_time()
    brief = compose(story(sources), sources)
    assert time.process_time() - started < BOUND_S
    assert sum(len(section.sentences) for section in brief.sections) <= DEFAULT_LIMITS.sections * DEFAULT_LIMITS.sentences_a_section
    assert len(brief.to_bytes()) < 100_000

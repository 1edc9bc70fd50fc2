"""A story whose articles have titles alone gets a section of these, and no word besides."""

from services.publish.brief.audit import audit
from services.publish.brief.compose import compose
from tests.brief.made_up import source, story, texts

TITLES = (
    "Aurora ferry runs aground off Marrow Island",
    "Passenger ferry runs aground off Marrow Island in fog - Harbour Ledger",
    "Exclusive: Ferry Aurora runs aground off Marrow Island",
    "Aurora’s owner Skerrow Line suspends all crossings",
    "What we know about the Aurora?",
    "Watch the Aurora as it hits the rocks",
    "Skerrow Line suspends all crossings | Norhaven Post",
)
SOURCES = [source(number, title, "") for number, title in enumerate(TITLES, 1)]


def test_what_most_titles_say_comes_first_with_all_that_say_it() -> None:
    brief = compose(story(SOURCES, headline="Ferry Aurora stuck on rocks off Marrow Island"), SOURCES)
    assert audit(brief, SOURCES) == []
    (section,) = brief.sections
    assert section.heading in {"Passenger ferry runs aground off Marrow Island in fog", "Ferry Aurora runs aground off Marrow Island"}
    assert [(sentence.text, sentence.citations) for sentence in section.sentences] == [
        ("Aurora ferry runs aground off Marrow Island", (1, 3)),
        ("Skerrow Line suspends all crossings", (4, 7)),
    ]


def test_titles_that_say_no_more_than_the_headline_give_nothing() -> None:
    alike = [*SOURCES[:1], source(8, f"{TITLES[0]} - Harbour Ledger", "")]
    assert compose(story(alike), alike).sections == ()
    assert compose(story(SOURCES[:1]), SOURCES[:1]).sections == ()


def test_an_article_with_a_sentence_makes_an_ordinary_brief() -> None:
    told = "The ferry Aurora ran aground off Marrow Island on Monday with 187 people on board, the coastguard said."
    sources = [*SOURCES, source(9, "Aurora aground off Marrow", told)]
    assert texts(compose(story(sources), sources)) == [told]

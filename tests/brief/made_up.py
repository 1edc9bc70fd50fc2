"""Builders of made-up stories, and the labelled ones."""

import tomllib
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.publish.brief.read import Reading, Statement, read_article
from services.publish.brief.source import Source
from shared.contracts import Brief, Story

AT = datetime(2026, 3, 11, 9, tzinfo=UTC)


def source(number: int, title: str, text: str, **other: Any) -> Source:
    """Give an article of a made-up outlet of its own."""
    outlet = other.pop("publisher", f"outlet{number}.example")
    given = {"version": 1, "language": "en", "published_at": AT, **other}
    return Source(
        number=number,
        article_id=uuid.uuid5(uuid.NAMESPACE_URL, f"{outlet}/{number}"),
        title=title,
        text=text,
        publisher_id=outlet,
        publisher_name=outlet,
        **given,
    )


def story(sources: Sequence[Source], headline: str | None = None, language: str | None = None, revision: int = 1) -> Story:
    """Give the state of a story of these articles, headed by the first one's title."""
    first = sources[0] if sources else source(1, headline or "Nothing", "")
    return Story(
        story_id=uuid.UUID(int=7),
        revision=revision,
        status="open",
        headline=(headline or first.title)[:2_000],
        headline_article_id=first.article_id,
        language=language or first.language,
        article_count=len(sources),
        publisher_count=len(sources),
        first_published_at=AT,
        last_published_at=AT,
    )


def reading(text: str, title: str = "A title that says little", **other: Any) -> Reading:
    """Read one made-up article."""
    return read_article(source(1, title, text, **other))


def texts(brief: Brief) -> list[str]:
    """Give a brief's sentences."""
    return [sentence.text for section in brief.sections for sentence in section.sentences]


def citations(brief: Brief, start: str) -> tuple[int, ...]:
    """Give the citations of the sentence that begins so."""
    found = [s.citations for section in brief.sections for s in section.sentences if s.text.startswith(start)]
    assert found, f"no sentence begins with {start!r} in {texts(brief)}"
    return found[0]


@dataclass(frozen=True)
class Labelled:
    """A sentence, another article of its story, and whether that states it."""

    statement: Statement
    article: Reading
    states: bool
    name: str


LABELLED = (
    "labelled.toml",
    "labelled_wire.toml",
    "labelled_second.toml",
    "labelled_retold.toml",
    "labelled_mixed.toml",
    "labelled_last.toml",
)
"""Sets that the check was built on."""


def labelled_stories(file: str) -> Iterator[tuple[dict[str, Any], list[Source]]]:
    """Give each story of a labelled file and its articles."""
    for told in tomllib.loads((Path(__file__).parent / file).read_text(encoding="utf-8"))["story"]:
        yield (
            told,
            [
                source(
                    article["number"],
                    article["title"],
                    article["text"],
                    publisher=article["publisher"],
                    language=told["language"],
                    published_at=datetime.fromisoformat(article["published"]),
                )
                for article in told["article"]
            ],
        )


def labelled_pairs(file: str) -> Iterator[Labelled]:
    """Give every pair of a labelled sentence and another article of its story."""
    for told, sources in labelled_stories(file):
        readings = {each.number: read_article(each) for each in sources}
        for sentence in told["sentence"]:
            own = [s for s in readings[sentence["from"]].body if _same(s.text) == _same(sentence["text"])]
            assert len(own) == 1, f"not a sentence of article {sentence['from']}: {sentence['text']}"
            for number, article in readings.items():
                if number != sentence["from"]:
                    yield Labelled(own[0], article, number in sentence["states"], f"[{number}] {sentence['text']}")


def _same(text: str) -> str:
    return text.replace("“", '"').replace("”", '"').strip()

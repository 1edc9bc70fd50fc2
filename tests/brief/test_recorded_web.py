"""The recorded web's stories, as `make run` shows them, get briefs that hold and say enough."""

from datetime import UTC, datetime, timedelta

import pytest

from deploy.recorded_web import content
from deploy.recorded_web.edition import Edition
from deploy.recorded_web.play import Play
from services.publish.brief.audit import audit
from services.publish.brief.compose import compose
from services.publish.brief.source import Source
from tests.brief.made_up import source, story, texts

EDITION = Edition.prepare(content.load(), Play(datetime(2026, 1, 6, 12, tzinfo=UTC)), 1)
END = timedelta(hours=1)


def sources_of(name: str, language: str = "en") -> list[Source]:
    """Give a story's articles in one language as they read when the play is over."""
    told = next(each for each in EDITION.content.stories if each.name == name)
    pages = [EDITION.page(told, plan, END) for plan in told.articles]
    return [
        source(
            number,
            page.title,
            page.text,
            publisher=page.outlet.name,
            language=language,
            published_at=page.published_at.astimezone(UTC),
        )
        for number, page in enumerate((page for page in pages if page.outlet.language == language), 1)
    ]


def test_the_lee_story_has_sections_and_citations_of_one_to_several_sources() -> None:
    sources = sources_of("lee-xi-mediation")
    assert len(sources) == 4
    brief = compose(story(sources), sources)
    assert audit(brief, sources) == []
    assert len(brief.sections) >= 3
    assert texts(brief)[0].startswith("South Korean President Lee Jae Myung")
    counts = {len(sentence.citations) for section in brief.sections for sentence in section.sentences}
    assert {1, 2} <= counts
    assert max(counts) >= 3
    assert {number for section in brief.sections for s in section.sentences for number in s.citations} == {1, 2, 3, 4}


@pytest.mark.parametrize("language", ["en", "es", "de"])
def test_every_story_has_a_brief_that_holds(language: str) -> None:
    for told in EDITION.content.stories:
        sources = sources_of(told.name, language)
        if not sources:
            continue
        brief = compose(story(sources), sources)
        assert brief.sections, told.name
        assert audit(brief, sources) == [], told.name

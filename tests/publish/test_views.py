"""Feeds that operators define hold what belongs to them, from their first moment on."""

import asyncio
import re
from typing import Any

import pytest

from services.publish.config import PublishSettings
from services.publish.connect import Connection, Pool, connect
from services.publish.feeds.define import View, put_view, remove_view, views
from shared.contracts import Publisher
from shared.errors import Refused
from tests.publish.made_up import article, feed, made_id, member, story
from tests.publish.stack import load

pytestmark = pytest.mark.stack


async def stories_of(db: Connection | Pool, name: str) -> set[object]:
    return {row["story_id"] for row in await db.fetch("SELECT story_id FROM feed_entries WHERE feed = $1", name)}


async def test_a_new_feed_holds_what_is_there_and_what_comes(connection: Connection) -> None:
    """A saved search finds old stories at once and new ones as they come, and loses one whose only such article leaves."""
    await load(connection, story("old"), member("o", "old"), article("o", text="The icebreaker came."))
    await put_view(connection, View("ice", "search", "Ice", words="icebreaker"))
    assert await stories_of(connection, "search/ice") == {made_id("old")}
    await load(connection, story("new"), article("n", text="Icebreakers are costly."), member("n", "new"))
    assert await stories_of(connection, "search/ice") == {made_id("old"), made_id("new")}
    await load(connection, member("n", "new", version=2, present=False))
    assert await stories_of(connection, "search/ice") == {made_id("old")}


async def test_every_condition_of_a_search_must_hold(connection: Connection) -> None:
    """Words, publishers, languages, countries and a minimum of publishers narrow a search together."""
    await load(connection, feed(), feed("other", country="CL"))
    await load(
        connection,
        story("yes", publisher_count=3),
        member("y", "yes"),
        article("y", text="sturgeon"),
        story("few", publisher_count=1),
        member("f", "few"),
        article("f", text="sturgeon"),
        story("abroad", publisher_count=3),
        member("a", "abroad"),
        article("a", text="sturgeon", appearances=(made_id("other"),)),
    )
    publishers = tuple(row["publisher_id"] for row in await connection.fetch("SELECT DISTINCT publisher_id FROM story_members"))
    view = View("fish", "search", "Fish", "sturgeon", publishers=publishers, languages=("en",), countries=("no",), min_publishers=2)
    await put_view(connection, view)
    assert await stories_of(connection, "search/fish") == {made_id("yes")}
    assert await stories_of(connection, "country/CL") == {made_id("abroad")}
    await put_view(connection, View("fish", "search", "Fish", "sturgeon", languages=("es",)))
    assert await stories_of(connection, "search/fish") == set()


async def test_a_section_holds_what_outlets_filed_there_and_headlines_with_its_words(connection: Connection) -> None:
    """The sections to begin with follow outlets' own sections in any case."""
    await load(
        connection,
        story("a"),
        member("a", "a"),
        article("a", section="WIRTSCHAFT"),
        story("b", headline="Inflation falls for the third month"),
        member("b", "b"),
        article("b", section=None),
        story("c"),
        member("c", "c"),
        article("c", section="Gardening", text="inflation"),
    )
    assert await stories_of(connection, "section/business") == {made_id("a"), made_id("b")}


async def test_a_feeds_country_reaches_stories_that_are_there(connection: Connection) -> None:
    """A feed's definition may come after its articles, or change."""
    await load(connection, story(), member(), article())
    assert await stories_of(connection, "country/NO") == set()
    await load(connection, feed())
    assert await stories_of(connection, "country/NO") == {made_id("story")}
    await load(connection, feed(country="SE"))
    assert await stories_of(connection, "country/NO") == set()
    assert await stories_of(connection, "country/SE") == {made_id("story")}


async def test_a_further_appearance_of_the_same_version_counts(connection: Connection) -> None:
    """An article that a second feed carries comes again in the same version, and its story stands in that feed's country too."""
    await load(connection, feed(), feed("other", country="CL"), story(), member(), article())
    await load(connection, article(appearances=(made_id("feed"), made_id("other"))))
    assert await stories_of(connection, "country/CL") == {made_id("story")}


async def test_a_feed_made_while_rows_are_written_misses_none(settings: PublishSettings, connection: Connection) -> None:
    """Stories that are written while a feed is filled are in it."""
    writer = await connect(settings, "test")
    try:

        async def write() -> None:
            for number in range(30):
                await load(writer, story(f"s{number}"), member(f"s{number}", f"s{number}"), article(f"s{number}", text="sturgeon"))

        writing = asyncio.ensure_future(write())
        for number in range(10):
            await put_view(connection, View(f"v{number}", "search", "V", words="sturgeon"))
            await asyncio.sleep(0)
        await writing
    finally:
        await writer.close()
    expected = {made_id(f"s{number}") for number in range(30)}
    for number in range(10):
        assert await stories_of(connection, f"search/v{number}") == expected


async def test_removing_a_feed_empties_it(connection: Connection) -> None:
    """A removed feed is gone with its entries; an unknown one is said so; a meaningless one is refused."""
    await load(connection, story(), member(), article())
    await put_view(connection, View("harbour", "search", "Harbour", words="ferries"))
    assert (await stories_of(connection, "search/harbour"), [stories for view, stories in await views(connection)][-1]) == (
        {made_id("story")},
        1,
    )
    assert await remove_view(connection, "search/harbour")
    assert await stories_of(connection, "search/harbour") == set()
    assert not await remove_view(connection, "search/harbour")
    with pytest.raises(Refused, match="no condition"):
        await put_view(connection, View("all", "search", "All"))
    with pytest.raises(Refused, match="is no name"):
        await put_view(connection, View("A/B", "search", "All", words="x"))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"words": "???"}, "asks for nothing"),
        ({"words": "the", "languages": ("en",)}, "asks for nothing"),
        ({"words": '-"harbour"'}, "add words that must be there, such as 'harbour -dredger', or a publisher"),
        ({"words": "-dredger or harbour"}, "nearly every story"),
        ({"words": "the -dredger", "kind": "section"}, "nearly every story"),
        ({"words": "-dredger", "kind": "section", "section_names": ("Sport",), "languages": ("en",)}, "nearly every story"),
        ({"words": "x" * 1_001}, "1000 characters"),
        ({"words": "a\nb"}, "control characters"),
        ({"title": "A\x1b[31m"}, "title"),
        ({"languages": ("english",)}, "such as en"),
        ({"countries": ("Korea",)}, "such as KR"),
        ({"publishers": ("https://example.org/",)}, "example.org"),
        ({"publishers": ("www.example.org",)}, "example.org"),
        ({"section_names": (" ",)}, "section"),
        ({"min_publishers": 0}, "min_publishers"),
        ({"min_publishers": 10**12}, "min_publishers"),
        ({"position": 10**12}, "position"),
        ({"languages": ("en",) * 201}, "200"),
    ],
)
async def test_a_definition_that_can_not_be_meant_is_refused_and_says_why(connection: Connection, more: dict[str, Any], said: str) -> None:
    """An operator learns at once, not from a feed that stays empty."""
    with pytest.raises(Refused, match=re.escape(said)):
        await put_view(connection, View(**({"name": "x", "kind": "search", "title": "X", "words": "harbour"} | more)))
    assert await connection.fetchval("SELECT count(*) FROM feed_views WHERE feed LIKE '%/x'") == 0


async def test_words_are_searched_for_as_a_reader_would(connection: Connection) -> None:
    """Phrases, `or`, a leading minus, other scripts, and quotes that are not closed."""
    await load(connection, story(), member(), article(text="A container crane fell at the harbour."))
    for words, holds in (
        ('"container crane"', 1),
        ('"crane container"', 0),
        ("cranes", 1),
        ("dredger or crane", 1),
        ("crane -harbour", 0),
        ('"container crane', 1),
        ("crane & (", 1),
        ("\u6e2f \u043f\u043e\u0440\u0442", 0),
    ):
        assert await put_view(connection, View("x", "search", "X", words=words)) == holds, words
    assert await put_view(connection, View("x", "search", "X", words="-dredger", languages=("en",))) == 1
    assert await put_view(connection, View("x", "search", "X", words="-crane", languages=("en",))) == 0


async def test_a_source_without_a_domain_is_a_publisher_by_its_name(connection: Connection) -> None:
    """Replayed articles may have no address; their source's name is the publisher's id, as it is written."""
    radio = Publisher(id="Harbour Radio", name="Harbour Radio")
    await load(connection, story(), member(publisher=radio), article(publisher=radio))
    assert await put_view(connection, View("x", "search", "X", publishers=("Harbour Radio",))) == 1

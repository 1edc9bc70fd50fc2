"""What readers are given of the rows."""

from datetime import timedelta
from pathlib import Path

import pytest

from services.publish import migrations, read
from services.publish.cli import SHOWN_OF_ID, find_story_id
from services.publish.connect import Connection, Pool
from shared.contracts import ArticleStatus, Section, Sentence, StoryLink, StoryStatus
from shared.errors import Refused
from shared.topics import ARTICLES, STORIES, STORY_MEMBERS
from tests.publish.made_up import NOW, Log, article, brief, made_id, member, story, update
from tests.publish.stack import load

pytestmark = pytest.mark.stack


async def test_a_story_has_its_members_and_brief(connection: Connection, pool: Pool) -> None:
    """A page's worth: members by number, sections, links with their headlines, copies by number."""
    await load(
        connection,
        story(article_count=3, links=(StoryLink(story_id=made_id("other"), language="de", article_count=2),)),
        story("other", headline="Fähren fahren wieder", language="de"),
        member("one", number=1),
        member("two", number=2, wire_group=made_id("one")),
        member("three", number=3, present=False),
        article("one", image="https://harbour.example/ferry.jpg"),
        brief(numbers=(1, 2, 3)),
    )
    found = await read.story(pool, made_id("story"))
    assert isinstance(found, read.StoryDetail)
    assert [(one.number, one.copy_of, one.language) for one in found.members] == [(1, None, "en"), (2, 1, "und")]
    assert found.members[0].image == "https://harbour.example/ferry.jpg"
    assert [sentence.citations for section in found.sections for sentence in section.sentences] == [(1,), (2,)]
    assert (found.member_count, found.withdrawn_count) == (2, 1)
    assert [(link.language, link.headline) for link in found.links] == [("de", "Fähren fahren wieder")]
    assert found.story.lead == "The crossing reopened on Friday, report 1 said."


async def test_no_sentence_cites_what_is_no_longer_a_member(connection: Connection, pool: Pool) -> None:
    """A sentence keeps the numbers of present members, and goes with the last of them, on the page, in lists and by SQL."""
    both = Sentence(text="Both said it.", citations=(1, 2))
    alone = Sentence(text="Only the second said it.", citations=(2,))
    sections = (Section(heading="The second alone", sentences=(alone,)), Section(heading="What both say", sentences=(both,)))
    await load(connection, story(), member("one", number=1), member("two", number=2), brief(sections=sections))
    await load(connection, member("two", number=2, version=2, present=False))
    found = await read.story(pool, made_id("story"))
    assert isinstance(found, read.StoryDetail)
    assert found.sections == (read.Section("What both say", (read.Sentence("Both said it.", (1,)),)),)
    assert found.story.lead == "Both said it."
    assert [tuple(row) for row in await pool.fetch("SELECT text, citations FROM story_sentences")] == [("Both said it.", [1])]


async def test_a_member_that_moved_away_takes_its_sentences_along(connection: Connection, pool: Pool) -> None:
    """A number is looked up among the story's own members, not among all."""
    await load(connection, story(), story("other"), member("one", number=1), member("two", number=2), brief(numbers=(1, 2)))
    await load(connection, member("two", "other", number=1))
    found = await read.story(pool, made_id("story"))
    assert isinstance(found, read.StoryDetail)
    assert [sentence.citations for section in found.sections for sentence in section.sentences] == [(1,)]


async def test_merged_stories_lead_to_where_they_live_on(connection: Connection, pool: Pool) -> None:
    """A chain of merges is followed to its end; a circle or a hole is not found rather than followed for ever."""
    merged = {"status": StoryStatus.MERGED, "article_count": 0, "publisher_count": 0}
    await load(
        connection,
        story("a", redirect_to=made_id("b"), **merged),
        story("b", redirect_to=made_id("c"), **merged),
        story("c"),
        story("x", redirect_to=made_id("y"), **merged),
        story("y", redirect_to=made_id("x"), **merged),
        story("lost", redirect_to=made_id("nowhere"), **merged),
    )
    assert await read.story(pool, made_id("a")) == read.Redirect(made_id("c"))
    assert await read.story(pool, made_id("x")) is None
    assert await read.story(pool, made_id("lost")) is None
    assert await read.story(pool, made_id("nothing")) is None
    assert [found.story_id for found in (await read.feed_page(pool, "top")).stories] == [made_id("c")]


async def test_a_command_finds_a_story_by_the_beginning_of_its_id(connection: Connection) -> None:
    """As the list of stories shows it; what is no beginning of one id is refused."""
    await load(connection, story("old"), story("new"))
    for name in (str(made_id("old")), str(made_id("old"))[:SHOWN_OF_ID], str(made_id("old"))[:11].upper()):
        assert await find_story_id(connection, name) == made_id("old")
    for name in ("", str(made_id("old"))[:5], "no-story", "00000000", f"{made_id('old')}0"):
        with pytest.raises(Refused):
            await find_story_id(connection, name)


async def test_feeds_are_read_page_by_page_without_hole_or_double(connection: Connection, pool: Pool) -> None:
    """Pages of any size give every story once, highest rank first, also where ranks are equal."""
    names = [f"s{number}" for number in range(23)]
    await load(connection, *(story(name, publisher_count=1 + number // 3) for number, name in enumerate(names)))
    seen: list[read.Story] = []
    after = None
    while True:
        page = await read.feed_page(pool, "language/en", limit=4, after=after)
        seen += page.stories
        after = page.next
        if after is None:
            break
    assert {found.story_id for found in seen} == set(map(made_id, names))
    assert len(seen) == len(names)
    assert [found.publisher_count for found in seen] == sorted((found.publisher_count for found in seen), reverse=True)


async def test_a_pinned_story_stands_first(connection: Connection, pool: Pool) -> None:
    """An editor's pin goes before any rank, and goes away with the pin."""
    await load(connection, story("big", publisher_count=40), story("small", pinned=True))
    assert [found.story_id for found in (await read.feed_page(pool, "top")).stories] == [made_id("small"), made_id("big")]
    await load(connection, story("small", 2))
    assert [found.story_id for found in (await read.feed_page(pool, "top")).stories] == [made_id("big"), made_id("small")]


async def test_erased_records_leave_no_row(connection: Connection, pool: Pool) -> None:
    """Tombstones delete article, member and story, and the story leaves its feeds."""
    await load(connection, story(), member(), article(), brief())
    log = Log()
    log.append(ARTICLES, made_id("article"), None)
    log.append(STORY_MEMBERS, made_id("article"), None)
    log.append(STORIES, made_id("story"), None)
    await load(connection, log)
    assert await read.article(pool, made_id("article")) is None
    assert await read.story(pool, made_id("story")) is None
    assert [feed.story_count for feed in await read.feeds(pool, kinds=["top", "language", "publisher"])] == [0]


async def test_search_finds_words_phrases_and_misspellings(connection: Connection, pool: Pool) -> None:
    """Words in any form, phrases, what must not be there, by language and time; else similar headlines."""
    await load(
        connection,
        story("ferry", headline="Ferries sail again after nine weeks"),
        member("f", "ferry"),
        article("f", text="A helicopter from Lisse had carried the mail meanwhile."),
        story("quake", headline="Earthquake shakes the Oren valley", last_published_at=NOW + timedelta(days=2)),
        story("tren", headline="Vuelven los trenes nocturnos a Puerto Ámbar", language="es"),
        article("tren", title="Trenes nocturnos", language="es"),
        story("lunch", headline="A long headline about nothing much"),
        brief("lunch", sections=(Section(heading="What was served", sentences=(Sentence(text="They ate sturgeon.", citations=(1,)),)),)),
        member("l", "lunch"),
    )

    async def found(query: str, **more: object) -> list[object]:
        result = await read.search(pool, query, **more)  # type: ignore[arg-type]
        return [hit.story.story_id for hit in result.hits]

    assert await found("ferry sailing") == [made_id("ferry")]
    assert await found("helicopters mail") == [made_id("ferry")], "an article's text counts"
    assert await found('"nine weeks"') == [made_id("ferry")]
    assert await found('"weeks nine"') == []
    assert await found("sturgeon") == [made_id("lunch")], "a brief counts"
    assert await found("weeks -ferries") == []
    assert await found("tren nocturno") == [made_id("tren")], "each language by its own forms"
    assert await found("oren", language="es") == []
    assert await found("earthquake", published_after=NOW + timedelta(days=1)) == [made_id("quake")]
    assert await found("earthquake", published_before=NOW) == []
    assert await found("\0 ' \" ( & ! :*") == []
    assert await found("-ferries") == [], "what must not be there alone asks for nothing"
    assert set(await found("ferry or earthquake")) == {made_id("ferry"), made_id("quake")}
    assert await found("ambar") == await found("Ámbar") == await found("ÁMBAR trenes") == [made_id("tren")], "accents don't count"
    guessed = await read.search(pool, "erthquake")
    assert guessed.guessed
    assert [hit.story.story_id for hit in guessed.hits] == [made_id("quake")]
    for misspelt in ("earhtquake", "Earthquakke valey", "eathquake oren", "an erthquake"):
        assert [hit.story.story_id for hit in (await read.search(pool, misspelt)).hits] == [made_id("quake")], misspelt
    assert not (await read.search(pool, "zeppelin earthquake")).hits, "a word that nobody wrote, nor anything like it"
    [hit] = (await read.search(pool, "helicopter")).hits
    assert ("helicopter", True) in hit.snippet


async def test_a_word_of_every_story_gives_the_newest(connection: Connection, pool: Pool) -> None:
    """A common word is looked for in the newest rows first, and a rare one finds the oldest row all the same."""
    many = [story(f"s{n}", headline=f"Council meets {'about herrings' if n == 0 else 'again'}") for n in range(2_400)]
    await load(connection, article(), *many)
    await connection.execute("ANALYZE stories")
    seen: set[object] = set()
    page = None
    while True:
        result = await read.search(pool, "council", limit=100, after=page)
        seen.update(hit.story.story_id for hit in result.hits)
        if (page := result.next) is None:
            break
    assert len(seen) == 300
    assert [hit.story.story_id for hit in (await read.search(pool, "council herring")).hits] == [made_id("s0")]


async def test_scripts_without_spaces_are_searched_within_headlines(connection: Connection, pool: Pool) -> None:
    """A Chinese name is found inside a run of characters."""
    await load(connection, story("zh", headline="安理会就停火协议举行紧急会议", language="zh"))
    assert [hit.story.story_id for hit in (await read.search(pool, "停火")).hits] == [made_id("zh")]


async def test_words_learnt_by_the_migration_are_those_of_the_materialiser(connection: Connection) -> None:
    """Folded alike, accents, capitals and joined letters."""
    await load(connection, story(headline="Straße nach Øresund: el Cañón, l’œuvre d’été, Łódź 2026"))
    learnt = {tuple(row) for row in await connection.fetch("SELECT word, folded FROM search_words")}
    assert ("cañón", "canon") in learnt
    assert ("straße", "strasse") in learnt
    file = Path(migrations.__file__).parent / "versions" / "0007_spelling.sql"
    await connection.execute("TRUNCATE search_words")
    await connection.execute(next(part for part in file.read_text().split(";\n") if "INSERT INTO search_words" in part))
    assert {tuple(row) for row in await connection.fetch("SELECT word, folded FROM search_words")} == learnt


async def test_a_withdrawn_article_is_not_found_and_its_text_not_given(connection: Connection, pool: Pool) -> None:
    """What an outlet took back is not searched and not shown."""
    await load(connection, story(), member(), article(text="The secret word is sturgeon."))
    assert (await read.search(pool, "sturgeon")).hits
    await load(connection, article(version=2, status=ArticleStatus.WITHDRAWN, text="The secret word is sturgeon."))
    assert not (await read.search(pool, "sturgeon")).hits
    found = await read.article(pool, made_id("article"))
    assert found is not None
    assert (found.status, found.text, found.summary) == ("withdrawn", "", "")


async def test_changes_since_a_revision(connection: Connection, pool: Pool) -> None:
    """What was added, removed and changed since a reader's last visit; what came and went between is nothing."""
    await load(
        connection,
        update(revision=1, articles_added=(made_id("a"),)),
        update(revision=2, articles_added=(made_id("b"), made_id("c"))),
        update(revision=3, articles_added=(made_id("d"),), articles_changed=(made_id("a"), made_id("b"))),
        update(revision=4, articles_removed=(made_id("a"), made_id("d"))),
        member("b", number=2),
        member("c", number=3),
    )
    changes = await read.changes_since(pool, made_id("story"), 1)
    assert (changes.revision, changes.complete) == (4, True)
    assert set(changes.articles_added) == {made_id("b"), made_id("c")}
    assert changes.articles_removed == (made_id("a"),)
    assert changes.articles_changed == ()
    assert changes.numbers_added == {2, 3}
    assert [change.revision for change in await read.history(pool, made_id("story"), limit=2)] == [4, 3]
    await connection.execute("DELETE FROM story_updates WHERE revision < 4")
    assert not (await read.changes_since(pool, made_id("story"), 1)).complete


async def test_reports_land_on_the_editors_list(connection: Connection, pool: Pool) -> None:
    """A report of an article that is in the story is listed until it is settled; any other is refused."""
    await load(connection, story(), member())
    number = await read.report_story(pool, made_id("story"), article_id=made_id("article"), words="it is about a\0nother ferry")
    assert number is not None
    assert await read.report_story(pool, made_id("story"), article_id=made_id("elsewhere")) is None
    assert await read.report_story(pool, made_id("no story")) is None
    [report] = await read.reports(pool)
    assert (report.article_title, report.words) == ("Ferries sail again, says article", "it is about another ferry")
    assert await read.resolve_report(pool, number, "split off")
    assert not await read.resolve_report(pool, number, "again")
    assert await read.reports(pool) == ()


async def test_freshness_tells_how_old_the_rows_are(connection: Connection, pool: Pool) -> None:
    """The newest article and record, what waits, and by language."""
    await load(connection, article(), article("dos", language="es", fetched_at=NOW + timedelta(hours=1)), story())
    found = await read.freshness(pool)
    assert found.newest_fetched_at == NOW + timedelta(hours=1)
    assert found.newest_appended_at is not None
    assert found.briefs_waiting == 1
    assert [row["language"] for row in await pool.fetch("SELECT language FROM freshness_by_language ORDER BY 1")] == ["en", "es"]

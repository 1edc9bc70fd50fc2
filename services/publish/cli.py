"""The commands of publish: `slugline db …`, `slugline stories …` and `slugline views …`."""

import re
from typing import Annotated, Any, Literal
from uuid import UUID

import typer

from services.publish.command import AsJson, SchemaDiffers, connected, run_work, show_rows
from shared.errors import Refused

db_app = typer.Typer(no_args_is_help=True, help="Migrate the database and say how it stands.")
stories_app = typer.Typer(no_args_is_help=True, help="List and show stories, and readers' reports of wrong groupings.")
views_app = typer.Typer(no_args_is_help=True, help="Define the feeds that readers see: topic sections and saved searches.")
SHOWN_OF_ID = 8
_HEXADECIMAL = re.compile(r"[0-9a-f]{6,32}")


# Database


@db_app.command()
def migrate() -> None:
    """Bring the schema to this version. Running services of the version before go on working."""

    async def work() -> str:
        from services.publish import schema
        from services.publish.config import PublishSettings

        return await schema.migrate(PublishSettings.load())

    typer.echo(f"the database is at {run_work(work())}")


@db_app.command()
def version() -> None:
    """Say which version the database has, and which this code knows."""

    async def work() -> None:
        from services.publish import schema

        async with connected(migrated=False) as (connection, settings):
            stored = await schema.stored_version(connection, settings.database_schema)
            typer.echo(f"database {stored or 'none'}, code {schema.newest_version()}")

    run_work(work())


@db_app.command()
def check() -> None:
    """Fail when the database lacks what this version needs."""

    async def work() -> None:
        from services.publish import schema

        async with connected(migrated=False) as (connection, settings):
            found = await schema.state(connection, settings.database_schema)
            if found not in (schema.SchemaState.CURRENT, schema.SchemaState.AHEAD):
                raise SchemaDiffers(f"the database's schema is {found}: slugline db migrate")
            typer.echo(f"the database's schema is {found}")

    run_work(work())


@db_app.command()
def positions(as_json: AsJson = False) -> None:
    """Show how far each topic is in the rows."""

    async def work() -> None:
        async with connected() as (connection, _):
            rows = await connection.fetch("SELECT * FROM pipeline_positions ORDER BY topic, partition")
            show_rows(("topic", "partition", "next_offset", "behind", "last_appended_at"), [dict(row) for row in rows], as_json=as_json)

    run_work(work())


@db_app.command()
def resync(yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False) -> None:
    """Delete all rows that come from topics and have them read anew. Pages are incomplete until that is done."""
    if not yes:
        typer.confirm("Delete all rows and read them anew from the topics?", abort=True)

    async def work() -> None:
        from services.publish.maintain import resync

        async with connected() as (connection, _):
            await resync(connection)

    run_work(work())
    typer.echo("the rows are deleted; the materialiser reads them anew")


@db_app.command("accept-gap")
def accept_gap(topic: Annotated[str, typer.Argument(help="The topic whose oldest records are gone, such as story_updates.v1.")]) -> None:
    """Go on behind records that their topic deleted before they were read."""

    async def work() -> list[int]:
        from services.publish.maintain import accept_gap
        from shared import topics

        named = next((found for found in topics.ALL if found.name == topic), None)
        if named is None:
            raise Refused("topic_unknown", f"no topic is called {topic!r}")
        async with connected() as (connection, settings):
            return await accept_gap(connection, settings, named)

    partitions = run_work(work())
    typer.echo(f"partitions that go on behind a hole: {', '.join(map(str, partitions)) or 'none, nothing was missing'}")


@db_app.command()
def prune(days: Annotated[int, typer.Option(min=1, help="History younger than this stays.")]) -> None:
    """Delete old history of stories. Event streams that reach behind it get a reset."""

    async def work() -> int:
        from services.publish.maintain import prune_history

        async with connected() as (connection, _):
            return await prune_history(connection, days)

    typer.echo(f"{run_work(work()):,} revisions deleted")


@db_app.command("retry-briefs")
def retry_briefs() -> None:
    """Make the briefs again that could not be made (dead letters of stage brief), as after a release that mends it."""

    async def work() -> int:
        from services.publish.maintain import retry_briefs

        async with connected() as (connection, _):
            return await retry_briefs(connection)

    typer.echo(f"{run_work(work()):,} stories are on the queue again")


@db_app.command("grant-reader")
def grant_reader(role: Annotated[str, typer.Argument(help="A Postgres role; it is made where there is none.")]) -> None:
    """Let a role read the SQL views (docs/sql.md) and nothing else. It takes a superuser, or the tables' owner with CREATEROLE."""

    async def work() -> None:
        from services.publish.maintain import grant_reader

        async with connected() as (connection, settings):
            await grant_reader(connection, role, settings.database_schema)

    run_work(work())
    typer.echo(f"{role} may read the views; give it a password with: slugline db roles password {role}")


# Stories


@stories_app.command("list")
def list_stories(
    feed: Annotated[str, typer.Option(help="Such as top, language/en, publisher/example.org.")] = "top",
    limit: Annotated[int, typer.Option(min=1, max=1_000)] = 20,
    as_json: AsJson = False,
) -> None:
    """List the stories of a feed in its order."""

    async def work() -> None:
        from services.publish import read

        async with connected() as (connection, _):
            page = await read.feed_page(connection, feed, limit=limit)
            columns = ("story_id", "headline", "article_count", "publisher_count", "language", "last_published_at")
            rows = [{name: getattr(story, name) for name in columns} for story in page.stories]
            if not as_json:
                columns = ("id", "headline", "articles", "publishers", "language", "last published")
                rows = [_short(story) for story in page.stories]
            show_rows(columns, rows, as_json=as_json)

    run_work(work())


def _short(story: Any) -> dict[str, Any]:
    """Give a story's row as narrow terminals can show it; every command takes the beginning of an id."""
    at = story.last_published_at
    return {
        "id": str(story.story_id)[:SHOWN_OF_ID],
        "headline": story.headline,
        "articles": story.article_count,
        "publishers": story.publisher_count,
        "language": story.language,
        "last published": at and at.strftime("%Y-%m-%d %H:%M"),
    }


def _short_report(report: Any) -> dict[str, Any]:
    """Give a report's row; the article is named as `split` and `move` take it."""
    return {
        "report": report.report_id,
        "story": str(report.story_id)[:SHOWN_OF_ID],
        "headline": report.headline,
        "article": report.article_id and f"{str(report.article_id)[:SHOWN_OF_ID]} {report.article_title or ''}",
        "words": report.words,
        "at": f"{report.reported_at:%Y-%m-%d %H:%M}",
        "resolution": report.resolution,
    }


@stories_app.command()
def show(story: Annotated[str, typer.Argument(metavar="STORY", help="the story's id, or its first characters (6 or more)")]) -> None:
    """Show a story as its page does: brief and sources."""

    async def work() -> None:
        from services.publish import read

        async with connected() as (connection, _):
            story_id = await find_story_id(connection, story)
            found = await read.story(connection, story_id)
            if isinstance(found, read.Redirect):
                typer.echo(f"merged into {found.story_id}")
                found = await read.story(connection, found.story_id)
            if not isinstance(found, read.StoryDetail):
                raise Refused("story_unknown", f"what story {story} was merged into is not known yet; try again")
            _print_story(found)

    run_work(work())


async def find_story_id(connection: Any, name: str) -> UUID:
    """Find a story by its id or the beginning of it. Raises `Refused`."""
    digits = name.strip().lower().replace("-", "")
    if not _HEXADECIMAL.fullmatch(digits):
        raise Refused("story_unknown", f"{name!r} is no story's id: give it as `slugline stories list` does, 6 characters or more")
    first, last = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    found = await connection.fetch("SELECT story_id FROM stories WHERE story_id BETWEEN $1 AND $2 LIMIT 2", first, last)
    if len(found) != 1:
        raise Refused("story_unknown", f"{'several stories begin' if found else 'no story begins'} with {name}: slugline stories list")
    story_id: UUID = found[0]["story_id"]
    return story_id


def _print_story(found: Any) -> None:
    typer.echo(found.story.headline)
    typer.echo(f"Updated ({found.story.article_count} articles) from {found.story.publisher_count} independent publishers\n")
    for section in found.sections:
        typer.secho(section.heading, bold=True)
        typer.echo(" ".join(f"{sentence.text} {''.join(f'[{number}]' for number in sentence.citations)}" for sentence in section.sentences))
        typer.echo("")
    typer.echo(f"Sources ({found.member_count} articles)")
    for member in found.members:
        typer.echo(f"[{member.number}] {member.publisher_name}: {member.title}\n    {member.url}")


@stories_app.command()
def reports(
    resolve: Annotated[int | None, typer.Option(help="Settle the report of this number.")] = None,
    resolution: Annotated[str, typer.Option(help="What was done about it.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Settled ones too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List what readers reported as grouped wrongly, or settle one of them."""

    async def work() -> None:
        from services.publish import read

        async with connected() as (connection, _):
            if resolve is not None:
                if not await read.resolve_report(connection, resolve, resolution):
                    raise Refused("report_unknown", f"there is no open report {resolve}")
                typer.echo(f"report {resolve} is settled")
                return
            columns: tuple[str, ...] = (
                "report_id", "story_id", "headline", "article_id", "article_title", "words", "reported_at", "resolution",
            )  # fmt: skip
            found = await read.reports(connection, resolved=every)
            rows = [{name: getattr(report, name) for name in columns} for report in found]
            if not as_json:
                columns = ("report", "story", "headline", "article", "words", "at", "resolution")
                rows = [_short_report(report) for report in found]
            show_rows(columns, rows, as_json=as_json)

    run_work(work())


# Views


@views_app.command("list")
def list_views(as_json: AsJson = False) -> None:
    """List the feeds that operators defined."""

    async def work() -> None:
        from services.publish.feeds.define import views

        async with connected() as (connection, _):
            rows = [
                {
                    "feed": view.feed,
                    "title": view.title,
                    "stories": stories,
                    "words": view.words,
                    "section_names": ", ".join(view.section_names),
                    "publishers": ", ".join(view.publishers),
                    "languages": ", ".join(view.languages),
                    "countries": ", ".join(view.countries),
                    "min_publishers": view.min_publishers,
                }
                for view, stories in await views(connection)
            ]
            columns = ("feed", "title", "stories", "words", "section_names", "publishers", "languages", "countries", "min_publishers")
            show_rows(columns, rows, as_json=as_json)

    run_work(work())


@views_app.command("add")
def add_view(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and hyphens: it becomes part of the feed's address.")],
    title: Annotated[str, typer.Option(help="As readers see it; absent: the name.")] = "",
    kind: Annotated[str, typer.Option(help="search: every condition must hold; section: words or section names suffice.")] = "search",
    words: Annotated[str, typer.Option(help='As in a search: all are wanted, "a phrase", or, -without.')] = "",
    section: Annotated[list[str] | None, typer.Option(help="What outlets call the section; may be given again.")] = None,
    publisher: Annotated[list[str] | None, typer.Option(help="A registrable domain; may be given again.")] = None,
    language: Annotated[list[str] | None, typer.Option(help="Such as en; may be given again.")] = None,
    country: Annotated[list[str] | None, typer.Option(help="Such as KR; may be given again.")] = None,
    min_publishers: Annotated[int, typer.Option(min=1, help="Independent publishers at least.")] = 1,
    position: Annotated[int, typer.Option(help="Lower stands first.")] = 100,
) -> None:
    """Define a feed, or define it anew. It holds all stories that belong to it at once."""

    async def work() -> tuple[str, int]:
        from services.publish.feeds.define import View, put_view

        if kind not in ("search", "section"):
            raise Refused("view_kind", f"{kind!r} is no kind: search or section")
        known: Literal["search", "section"] = "search" if kind == "search" else "section"
        view = View(
            name=name,
            kind=known,
            title=title or name,
            words=words,
            section_names=tuple(section or ()),
            publishers=tuple(publisher or ()),
            languages=tuple(language or ()),
            countries=tuple(country or ()),
            min_publishers=min_publishers,
            position=position,
        )
        async with connected() as (connection, _):
            return view.feed, await put_view(connection, view)

    feed, stories = run_work(work())
    typer.echo(feed)
    typer.echo(f"it holds {stories:,} stories now", err=True)


@views_app.command("remove")
def remove_view(feed: Annotated[str, typer.Argument(help="As `slugline views list` gives it, such as search/harbours.")]) -> None:
    """Remove a feed that an operator defined."""

    async def work() -> None:
        from services.publish.feeds.define import remove_view

        async with connected() as (connection, _):
            if not await remove_view(connection, feed):
                raise Refused("view_unknown", f"no view is called {feed!r}: slugline views list")

    run_work(work())

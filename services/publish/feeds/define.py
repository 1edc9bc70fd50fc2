"""Feeds that an operator defines: topic sections and saved searches. A new one holds all stories that belong to it at once."""

import re
from dataclasses import dataclass
from typing import Final, Literal

from services.publish.connect import Connection
from services.publish.materialise.entries import fill_view
from services.publish.read.models import Database
from services.publish.webhooks.queue import touch_feed
from shared.errors import Refused

NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")

_LIST = """
SELECT feed, kind, title, words, section_names, publishers, languages, countries, min_publishers, position,
    (SELECT count(*) FROM feed_entries e WHERE e.feed = v.feed) AS stories
FROM feed_views v ORDER BY position, feed
"""
_PUT = """
INSERT INTO feed_views (feed, kind, title, words, section_names, publishers, languages, countries, min_publishers, position)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (feed) DO UPDATE SET kind = excluded.kind, title = excluded.title, words = excluded.words,
    section_names = excluded.section_names, publishers = excluded.publishers, languages = excluded.languages,
    countries = excluded.countries, min_publishers = excluded.min_publishers, position = excluded.position
"""


@dataclass(frozen=True, slots=True)
class View:
    """A feed's definition. Every condition that is not empty must hold; in a section, words or section names suffice."""

    name: str
    kind: Literal["section", "search"]
    title: str
    words: str = ""
    """As in a search: all are wanted, "a phrase", `or`, a leading minus. A section looks for them in headlines, a search in articles."""
    section_names: tuple[str, ...] = ()
    """What outlets call the section, in any case."""
    publishers: tuple[str, ...] = ()
    """Registrable domains."""
    languages: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    """Of the feeds that carried an article, ISO 3166-1 alpha-2."""
    min_publishers: int = 1
    """Independent publishers at least."""
    position: int = 100
    """Lower stands first in the list of feeds."""

    @property
    def feed(self) -> str:
        """The feed's id, such as 'section/science'."""
        return f"{self.kind}/{self.name}"


def check_view(view: View) -> None:
    """Refuse a definition that can't be meant."""
    if not NAME.fullmatch(view.name):
        raise Refused("view_name", f"{view.name!r} is no name: use lower-case letters, digits and hyphens, 60 at most")
    if not view.title.strip() or "\0" in view.title + view.words:
        raise Refused("view_title", "a view needs a title, without control characters")
    if view.min_publishers < 1:
        raise Refused("view_min_publishers", f"min_publishers is {view.min_publishers}; 1 means any story")
    if not (view.words.strip() or view.section_names or view.publishers or view.languages or view.countries or view.min_publishers > 1):
        raise Refused("view_conditions", f"{view.feed} has no condition, so it would be the same as Top Headlines")


async def put_view(connection: Connection, view: View) -> None:
    """Define a feed, or define it anew, and fill it. Raises `Refused`."""
    check_view(view)
    async with connection.transaction():
        await connection.execute(
            _PUT,
            view.feed,
            view.kind,
            view.title.strip(),
            view.words.strip(),
            [name.strip().lower() for name in view.section_names],
            [publisher.strip().lower() for publisher in view.publishers],
            [language.strip().lower() for language in view.languages],
            [country.strip().upper() for country in view.countries],
            view.min_publishers,
            view.position,
        )
        await fill_view(connection, view.feed)
        await touch_feed(connection, view.feed)


async def remove_view(connection: Connection, feed: str) -> bool:
    """Remove a feed by its id; False where no operator defined it. Raises `Refused` while a webhook follows it."""
    async with connection.transaction():
        if names := await connection.fetchval("SELECT string_agg(name, ', ' ORDER BY name) FROM webhooks WHERE feed = $1", feed):
            raise Refused("view_followed", f"{feed} is followed by the webhooks {names}; first: slugline webhooks remove NAME")
        status = await connection.execute("DELETE FROM feed_views WHERE feed = $1", feed)
        if status == "DELETE 0":
            return False
        await fill_view(connection, feed)
        return True


async def views(db: Database) -> tuple[tuple[View, int], ...]:
    """Give the feeds that operators defined, each with how many stories it holds."""
    return tuple(
        (
            View(
                name=row["feed"].partition("/")[2],
                kind=row["kind"],
                title=row["title"],
                words=row["words"],
                section_names=tuple(row["section_names"]),
                publishers=tuple(row["publishers"]),
                languages=tuple(row["languages"]),
                countries=tuple(row["countries"]),
                min_publishers=row["min_publishers"],
                position=row["position"],
            ),
            row["stories"],
        )
        for row in await db.fetch(_LIST)
    )

"""Feeds that an operator defines: topic sections and saved searches. A new one holds all stories that belong to it at once."""

import re
from dataclasses import dataclass
from typing import Final, Literal

from services.publish.connect import Connection
from services.publish.materialise.entries import fill_view
from services.publish.read.models import Database
from services.publish.signals import CHANNEL
from services.publish.webhooks.queue import touch_feed
from shared.errors import Refused

NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
LONGEST_WORDS: Final = 1_000
LONGEST_TITLE: Final = 200
MOST_ENTRIES: Final = 200
"""Publishers, languages, countries or section names of one view."""
MOST_PUBLISHERS: Final = 1_000
MOST_POSITION: Final = 1_000_000
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}")
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_ASKS = """
SELECT bool_or(numnode(q.query) > 0) AS anything, bool_or(numnode(q.query) > 0 AND ''::tsvector @@ q.query) AS only_without
FROM unnest($2::text[]) AS l CROSS JOIN LATERAL (SELECT websearch_to_tsquery(search_config(l), $1) AS query) q
"""

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
    """Registrable domains, or the names of sources without one."""
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
    if not view.title.strip() or not view.title.isprintable() or len(view.title) > LONGEST_TITLE:
        raise Refused("view_title", f"a view needs a title, {LONGEST_TITLE} characters at most, without control characters")
    if not view.words.isprintable() or len(view.words) > LONGEST_WORDS:
        raise Refused("view_words", f"words are {LONGEST_WORDS} characters at most, without control characters")
    if not 1 <= view.min_publishers <= MOST_PUBLISHERS:
        raise Refused(
            "view_min_publishers", f"min_publishers is {view.min_publishers}; 1 means any story, more than {MOST_PUBLISHERS} none"
        )
    if abs(view.position) > MOST_POSITION:
        raise Refused("view_position", f"position is {view.position}; it lies between -{MOST_POSITION} and {MOST_POSITION}")
    if max(map(len, (view.publishers, view.languages, view.countries, view.section_names))) > MOST_ENTRIES:
        raise Refused("view_too_long", f"a view takes {MOST_ENTRIES} publishers, languages, countries and section names each")
    for language in map(_language, view.languages):
        if not _LANGUAGE.fullmatch(language):
            raise Refused("view_language", f"{language!r} is no language's code; they are two or three letters, such as en or de (ISO 639)")
    for country in map(_country, view.countries):
        if not _COUNTRY.fullmatch(country):
            raise Refused("view_country", f"{country!r} is no country's code; they are two letters, such as KR or DE (ISO 3166-1)")
    for publisher in map(_publisher, view.publishers):
        if not publisher or not publisher.isprintable() or "/" in publisher or publisher.startswith("www."):
            raise Refused("view_publisher", f"{publisher!r} names no publisher; they are known by their domains, such as example.org")
    if not all(name.strip() and name.isprintable() for name in view.section_names):
        raise Refused("view_section", "a section's name is a word or two, as outlets write it")
    if not (view.words.strip() or view.section_names or view.publishers or view.languages or view.countries or view.min_publishers > 1):
        raise Refused("view_conditions", f"{view.feed} has no condition, so it would be the same as Top Headlines")


def _language(code: str) -> str:
    return code.strip().lower()


def _country(code: str) -> str:
    return code.strip().upper()


def _publisher(name: str) -> str:
    """Give a publisher's id: domains are known in lower case, names of sources without one as they are written."""
    name = name.strip()
    return name.lower() if "." in name and " " not in name else name


async def put_view(connection: Connection, view: View) -> int:
    """Define a feed, or define it anew, fill it, and give how many stories it holds. Raises `Refused`."""
    check_view(view)
    if view.words.strip():
        await _check_words(connection, view)
    async with connection.transaction():
        await connection.execute(
            _PUT,
            view.feed,
            view.kind,
            view.title.strip(),
            view.words.strip(),
            [name.strip().lower() for name in view.section_names],
            [*map(_publisher, view.publishers)],
            [*map(_language, view.languages)],
            [*map(_country, view.countries)],
            view.min_publishers,
            view.position,
        )
        await fill_view(connection, view.feed)
        await touch_feed(connection, view.feed)
        await _signal(connection)
        return int(await connection.fetchval("SELECT count(*) FROM feed_entries WHERE feed = $1", view.feed))


async def _check_words(connection: Connection, view: View) -> None:
    asks = await connection.fetchrow(_ASKS, view.words, [*map(_language, view.languages)] or ["und", "en"])
    assert asks is not None
    if not asks["anything"]:
        raise Refused("view_words", f"{view.words!r} asks for nothing: it holds no word, or only words that every text has")
    narrowed = view.publishers or view.languages or view.countries or view.min_publishers > 1
    widened = view.kind == "section" and view.section_names  # of which or of words one suffices
    if asks["only_without"] and (widened or not (narrowed or view.section_names)):
        raise Refused(
            "view_words",
            f"{view.words!r} is met by any text that lacks some words, so the feed would hold nearly every story: "
            "add words that must be there, such as 'harbour -dredger'"
            + ("" if widened else ", or a publisher, language, country or number of publishers"),
        )


async def remove_view(connection: Connection, feed: str) -> bool:
    """Remove a feed by its id; False where no operator defined it. Raises `Refused` while a webhook follows it."""
    async with connection.transaction():
        if names := await connection.fetchval("SELECT string_agg(name, ', ' ORDER BY name) FROM webhooks WHERE feed = $1", feed):
            raise Refused("view_followed", f"{feed} is followed by the webhooks {names}; first: slugline webhooks remove NAME")
        status = await connection.execute("DELETE FROM feed_views WHERE feed = $1", feed)
        if status == "DELETE 0":
            return False
        await fill_view(connection, feed)
        await _signal(connection)
        return True


async def _signal(connection: Connection) -> None:
    """Tell those who show feeds that one is another now."""
    await connection.execute("SELECT pg_notify($1, '')", CHANNEL)


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

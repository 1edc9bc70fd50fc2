"""The editors' commands: `slugline stories merge|split|move|close|pin|unpin|erase|own`."""

import asyncio
import getpass
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

import typer
from pydantic import ValidationError
from rich.console import Console

from services.cluster import editing
from services.cluster.editing import find_articles, find_story, partition_of
from shared.contracts import Command, CommandOp, Story
from shared.contracts.base import describe
from shared.errors import Refused
from shared.settings import Settings
from shared.topics import STORY_INPUTS

stories_app = typer.Typer(no_args_is_help=True, help="Correct stories; the machine keeps to what editors said.")
console = Console()
_DOMAIN = re.compile(r"[\w-]+(\.[\w-]+)*")

StoryName = Annotated[str, typer.Argument(metavar="STORY", help="the story's id, or its first characters (6 or more)")]
IntoName = Annotated[str, typer.Argument(metavar="INTO", help="the story to bring them into")]
ArticleNames = Annotated[list[str], typer.Argument(metavar="ARTICLE…", help="articles by their number in the story, or by id")]
Why = Annotated[str, typer.Option(help="the reason, kept with the revision")]
By = Annotated[str, typer.Option("--by", help="who decides; else your user name")]
Wait = Annotated[float, typer.Option(help="seconds to wait for the outcome")]


@stories_app.command()
def merge(story: StoryName, into: IntoName, why: Why = "", by: By = "", wait: Wait = 15) -> None:
    """Merge STORY into INTO: its articles go there, and its id redirects there for ever.

    Example: slugline stories merge 3cd74754 f160ce43 --why "the same quake"
    """
    stories = _stories()
    gone, survivor = find_story(stories, story), find_story(stories, into)
    if _is_so_already(gone.story_id == survivor.story_id, f"both ids lead to story {survivor.story_id}"):
        return
    partition = partition_of(gone, survivor)
    _give([partition], wait, by, why, op=CommandOp.MERGE, story_id=gone.story_id, into_story_id=survivor.story_id)


@stories_app.command()
def split(story: StoryName, articles: ArticleNames, why: Why = "", by: By = "", wait: Wait = 15) -> None:
    """Split articles off into a story of their own.

    Example: slugline stories split f160ce43 2 5 --why "another quake"
    """
    found = find_story(_stories(), story)
    members = asyncio.run(editing.known_members(Settings.load(), found.story_id))
    chosen = find_articles(members, articles)
    _give([partition_of(found)], wait, by, why, op=CommandOp.SPLIT, story_id=found.story_id, article_ids=chosen)


@stories_app.command()
def move(story: StoryName, into: IntoName, articles: ArticleNames, why: Why = "", by: By = "", wait: Wait = 15) -> None:
    """Move articles of STORY into INTO.

    Example: slugline stories move f160ce43 3cd74754 4
    """
    stories = _stories()
    found, target = find_story(stories, story), find_story(stories, into)
    if _is_so_already(found.story_id == target.story_id, f"both ids lead to story {target.story_id}"):
        return
    members = asyncio.run(editing.known_members(Settings.load(), found.story_id))
    chosen = find_articles(members, articles)
    partition = partition_of(found, target)
    _give([partition], wait, by, why, op=CommandOp.MOVE, story_id=found.story_id, into_story_id=target.story_id, article_ids=chosen)


@stories_app.command()
def close(story: StoryName, why: Why = "", by: By = "", wait: Wait = 15) -> None:
    """Close a story: no new article joins it, nor reopens it."""
    _give_one(CommandOp.CLOSE, find_story(_stories(), story), wait, by, why)


@stories_app.command()
def pin(story: StoryName, why: Why = "", by: By = "", wait: Wait = 15) -> None:
    """Pin a story to the top."""
    found = find_story(_stories(), story)
    if not _is_so_already(found.pinned, f"story {found.story_id} is pinned"):
        _give_one(CommandOp.PIN, found, wait, by, why)


@stories_app.command()
def unpin(story: StoryName, why: Why = "", by: By = "", wait: Wait = 15) -> None:
    """Undo a pin."""
    found = find_story(_stories(), story)
    if not _is_so_already(not found.pinned, f"story {found.story_id} is not pinned"):
        _give_one(CommandOp.UNPIN, found, wait, by, why)


@stories_app.command()
def erase(story: StoryName, articles: ArticleNames, why: Why = "", by: By = "", wait: Wait = 15) -> None:
    """Erase articles from a story and its records; later versions of them are ignored. It can't be undone."""
    found = find_story(_stories(), story)
    members = asyncio.run(editing.known_members(Settings.load(), found.story_id))
    chosen = find_articles(members, articles)
    _give([partition_of(found)], wait, by, why, op=CommandOp.ERASE, story_id=found.story_id, article_ids=chosen)


@stories_app.command()
def own(
    domain: Annotated[str, typer.Argument(help="the publisher's registrable domain")],
    owner: Annotated[str, typer.Argument(help="the house that it belongs to; nothing: as the shipped table says")] = "",
    why: Why = "",
    by: By = "",
) -> None:
    """Say which house a publisher belongs to; a house counts once among a story's publishers. It holds for articles to come.

    Example: slugline stories own evening-courier.example "Courier Group"
    """
    if not _DOMAIN.fullmatch(domain.strip()):
        raise Refused("no_domain", f"{domain!r} is no domain; give it as the story's sources have it, such as evening-courier.example")
    partitions = range(STORY_INPUTS.partitions)
    _give(partitions, 0, by, why, op=CommandOp.OWN, publisher_id=domain.strip().lower(), owner=owner or None)


def _stories() -> dict[str, bytes]:
    return asyncio.run(editing.known_stories(Settings.load()))


def _is_so_already(is_so: bool, words: str) -> bool:
    """Say so where nothing is to be done: assign would say nothing, and the editor wait for it."""
    if is_so:
        console.print(f"It is so already: {words}.", soft_wrap=True, markup=False)
    return is_so


def _give_one(op: CommandOp, story: Story, wait_s: float, by: str, why: str) -> None:
    _give([partition_of(story)], wait_s, by, why, op=op, story_id=story.story_id)


def _give(partitions: Iterable[int], wait_s: float, by: str, why: str, **fields: Any) -> None:
    try:
        command = Command(command_id=uuid4(), actor=by or getpass.getuser(), why=why, at=datetime.now(UTC), **fields)
    except ValidationError as error:
        raise Refused("invalid_command", describe(error)) from error
    outcome = asyncio.run(editing.give(Settings.load(), command, partitions, wait_s))
    if outcome.refusal is not None:
        raise Refused("refused", outcome.refusal)
    for event in outcome.events:
        where = "" if event.redirect_to is None else f" → {event.redirect_to}"
        line = f"{event.story_id} revision {event.revision} {event.reason}, {event.article_count} articles{where}"
        console.print(f"{line}: {event.headline}", soft_wrap=True, markup=False)
    if not outcome.events:
        console.print(
            "Sent." if wait_s == 0 else f"Sent; nothing has changed within {wait_s:g} s: it is so already, or assign isn't running.",
            markup=False,
        )

"""How an editor's command finds its story, goes into the one order of inputs, and is seen to take effect."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import ValidationError

from shared.contracts import Command, DeadLetter, InputKind, Member, Story, StoryInput, StoryUpdated
from shared.errors import InvalidMessage, Refused
from shared.kafka.client import client_options, start_client
from shared.kafka.decision import Output
from shared.kafka.tables import ANSWER_LIMIT_S, Sender, read_table
from shared.settings import Settings
from shared.topics import DEAD_LETTERS, STORIES, STORY_INPUTS, STORY_MEMBERS, STORY_UPDATES, Topic, language_partition

SHORTEST_NAME = 6
"""Characters of an id that name it, if they name no other."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command: its events, or why it was refused; neither where nothing changed within the time given."""

    events: tuple[StoryUpdated, ...] = ()
    refusal: str | None = None


async def known_stories(settings: Settings) -> dict[str, bytes]:
    """Read all stories' messages by id. Raises `Unreachable`."""
    return await read_table(settings, STORIES)


async def known_members(settings: Settings, story_id: UUID) -> list[Member]:
    """Read a story's members by number. Raises `Unreachable`."""
    needle = str(story_id).encode()
    table = await read_table(settings, STORY_MEMBERS)
    members = [Member.from_bytes(value) for value in table.values() if needle in value]
    return sorted((member for member in members if member.story_id == story_id), key=lambda member: member.number)


def find_story(stories: Mapping[str, bytes], name: str) -> Story:
    """Find a story by its id or the beginning of it, and follow redirects. Raises `Refused`."""
    name = name.strip().lower()
    if len(name) < SHORTEST_NAME:
        raise Refused("unclear_story", f"{name!r} is too short: give a story's id, or at least its first {SHORTEST_NAME} characters")
    found = [story_id for story_id in stories if story_id.startswith(name)]
    if len(found) != 1:
        raise Refused(
            "unknown_story" if not found else "unclear_story",
            f"{name!r} is the beginning of {len(found)} stories' ids; `slugline stories list` shows them",
        )
    story = Story.from_bytes(stories[found[0]])
    while story.redirect_to is not None:
        value = stories.get(str(story.redirect_to))
        if value is None:
            raise Refused("unknown_story", f"story {name} was merged into {story.redirect_to}, which is not in stories.v1 yet; try again")
        story = Story.from_bytes(value)
    return story


def find_articles(members: Sequence[Member], names: Iterable[str]) -> tuple[UUID, ...]:
    """Find a story's articles by their numbers, ids, or beginnings of ids. Raises `Refused`."""
    found = []
    for name in names:
        matches = [
            member.article_id
            for member in members
            if (name.isdecimal() and len(name) < SHORTEST_NAME and int(name) == member.number)
            or (len(name) >= SHORTEST_NAME and str(member.article_id).startswith(name.lower()))
        ]
        if len(matches) != 1:
            numbers = ", ".join(str(member.number) for member in members[:50])
            raise Refused("unknown_article", f"{name!r} is {len(matches)} of the story's articles; they have the numbers {numbers}")
        found.append(matches[0])
    return tuple(found)


def partition_of(*stories: Story) -> int:
    """Give the partition of `story_inputs.v1` where stories live. Raises `Refused` where they live in several."""
    partitions = {language_partition(story.language) for story in stories}
    if len(partitions) > 1:
        languages = " and ".join(sorted({story.language for story in stories}))
        raise Refused("other_partition", f"stories in {languages} are told apart and linked; they can't be one")
    return partitions.pop()


async def give(settings: Settings, command: Command, partitions: Iterable[int], wait_s: float) -> Outcome:
    """Send a command to partitions and wait for what comes of it in the first. Raises `Unreachable`."""
    story_input = StoryInput(kind=InputKind.COMMAND, command=command)
    key = str(command.into_story_id or command.story_id or command.command_id)
    outputs = [Output(STORY_INPUTS, key, story_input, partition) for partition in partitions]
    first = outputs[0].partition
    assert first is not None
    places = [(STORY_UPDATES, first), *((DEAD_LETTERS, number) for number in range(DEAD_LETTERS.partitions))]
    async with _following(settings, places) as consumer, Sender(settings) as sender:
        await sender.send(outputs)
        return await _outcome(consumer, command.command_id, wait_s)


@asynccontextmanager
async def _following(settings: Settings, places: Iterable[tuple[Topic, int]]) -> AsyncIterator[Any]:
    """Follow partitions from their present ends."""
    consumer: Any = await start_client(
        lambda: AIOKafkaConsumer(
            **client_options(settings), group_id=None, enable_auto_commit=False, auto_offset_reset="none", isolation_level="read_committed"
        ),
        give_up_s=ANSWER_LIMIT_S,
    )
    try:
        tps = [TopicPartition(topic.name, number) for topic, number in places]
        consumer.assign(tps)
        for tp, end in (await consumer.end_offsets(tps)).items():
            consumer.seek(tp, end)
        yield consumer
    finally:
        await consumer.stop()


async def _outcome(consumer: Any, command_id: UUID, wait_s: float) -> Outcome:
    """Wait for the events that name the command (one transaction holds them all), or for its dead letter."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            while True:
                records = [record for got in (await consumer.getmany(timeout_ms=200)).values() for record in got]
                events = tuple(event for record in records if record.topic == STORY_UPDATES.name for event in _events(record, command_id))
                if events:
                    return Outcome(events)
                for record in records:
                    if record.topic == DEAD_LETTERS.name and (error := _refusal(record, command_id)) is not None:
                        return Outcome(refusal=error)
    return Outcome()


def _events(record: Any, command_id: UUID) -> list[StoryUpdated]:
    event = StoryUpdated.from_bytes(record.value)
    return [event] if event.actor.command_id == command_id else []


def _refusal(record: Any, command_id: UUID) -> str | None:
    try:
        letter = DeadLetter.from_bytes(record.value)
        if letter.topic == STORY_INPUTS.name and str(command_id).encode() in base64.b64decode(letter.value or ""):
            return letter.error
    except (InvalidMessage, ValidationError, ValueError):
        return None
    return None

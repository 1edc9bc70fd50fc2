"""What an endpoint has still to be told of a story, and how it is told. Pure: the rows and what was told decide alone."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid5

from pydantic_core import to_json

from shared.ids import NAMESPACE

STORY_FIELDS: Final = (
    "story_id",
    "revision",
    "status",
    "headline",
    "language",
    "article_count",
    "publisher_count",
    "first_published_at",
    "last_published_at",
    "redirect_to",
)


class Kind(StrEnum):
    """What happened. Receivers ignore kinds that they don't know."""

    ENTERED = "story.entered"
    """It stands in the feed now."""
    CHANGED = "story.changed"
    """It stands there still, at a later revision."""
    LEFT = "story.left"
    """It stands there no longer: it was merged (see redirect_to), withdrawn, or meets the feed's conditions no more."""
    TEST = "webhook.test"


@dataclass(frozen=True, slots=True)
class Told:
    """What an endpoint was last told of a story. `turn` counts all that it was told of it."""

    revision: int
    present: bool
    turn: int


@dataclass(frozen=True, slots=True)
class Event:
    """One event of one endpoint. It keeps its id however often it is sent."""

    event_id: UUID
    kind: Kind
    body: bytes
    story_id: UUID | None = None
    revision: int | None = None


def kind_of(told: Told | None, revision: int, *, present: bool) -> Kind | None:
    """Say what a story that stands at `revision` (`present`: in the feed) is news of; None: of nothing."""
    if told is None or not told.present:
        return Kind.ENTERED if present else None
    if not present:
        return Kind.LEFT
    return Kind.CHANGED if revision > told.revision else None


def story_event(webhook_id: UUID, feed: str, kind: Kind, told: Told | None, story: dict[str, Any], site: str) -> Event:
    """Write an event of a story. `story` is its row with `changed_at`, `site` what readers reach the page by (empty: unknown)."""
    turn = 1 if told is None else told.turn + 1
    event_id = uuid5(NAMESPACE, f"webhook:{webhook_id}:{story['story_id']}:{turn}:{story['revision']}")
    shown = {name: story[name] for name in STORY_FIELDS}
    if site:
        shown["url"] = f"{site}/stories/{story['story_id']}"
    before = told.revision if told is not None and told.present else None
    return _event(event_id, kind, story["changed_at"], {"feed": feed, "previous_revision": before, "story": shown}, story)


def probe_event(webhook_id: UUID, feed: str, at: datetime) -> Event:
    """Write an event that says nothing but that the endpoint is reached."""
    return _event(uuid5(NAMESPACE, f"webhook-test:{webhook_id}:{at.isoformat()}"), Kind.TEST, at, {"feed": feed}, {})


def _event(event_id: UUID, kind: Kind, at: datetime, data: dict[str, Any], story: dict[str, Any]) -> Event:
    body = to_json({"type": kind, "timestamp": at, "data": data})
    return Event(event_id, kind, body, story.get("story_id"), story.get("revision"))

"""Made-up messages, and a small world of stories whose records every topic has in its own order."""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from shared import ids
from shared.contracts import (
    Article,
    ArticleStatus,
    Brief,
    Feed,
    Member,
    Message,
    Publisher,
    Section,
    Sentence,
    Story,
    StoryLink,
    StoryStatus,
    StoryUpdated,
)
from shared.contracts.story import MemberRef
from shared.kafka.decision import SourceRecord
from shared.topics import ARTICLES, FEEDS, STORIES, STORY_BRIEFS, STORY_MEMBERS, STORY_UPDATES, Topic, key_partition

NOW = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
OUTLETS = ("harbour.example", "ledger.example", "tribuna.example", "abendpost.example", "meridian.example")
_NAMES = UUID("00000000-0000-0000-0000-0000000ab1e5")


def made_id(name: str) -> UUID:
    return uuid5(_NAMES, name)


def feed(name: str = "feed", **more: Any) -> Feed:
    values: dict[str, Any] = {
        "feed_id": made_id(name),
        "url": f"https://{name}.example/rss",
        "title": name,
        "country": "NO",
        "added_at": NOW,
    }
    return Feed(**(values | more))


def article(name: str = "article", version: int = 1, **more: Any) -> Article:
    outlet = OUTLETS[sum(name.encode()) % len(OUTLETS)]
    values: dict[str, Any] = {
        "article_id": made_id(name),
        "version": version,
        "url": f"https://{outlet}/{name}",
        "canonical_url": f"https://{outlet}/{name}",
        "appearances": (made_id("feed"),),
        "publisher": Publisher(id=outlet, name=outlet.partition(".")[0].title()),
        "title": f"Ferries sail again, says {name}",
        "text": f"The crossing between the islands reopened on Friday. The owners took back the cut in night pay, said {name}.",
        "language": "en",
        "section": "World",
        "published_at": NOW,
        "fetched_at": NOW + timedelta(minutes=version),
        "content_hash": f"{name}-{version}",
    }
    return Article(**(values | more))


def story(name: str = "story", revision: int = 1, **more: Any) -> Story:
    values: dict[str, Any] = {
        "story_id": made_id(name),
        "revision": revision,
        "status": StoryStatus.OPEN,
        "headline": f"Ferries sail again after nine weeks: {name}, revision {revision}",
        "language": "en",
        "article_count": 1,
        "publisher_count": 1,
        "first_published_at": NOW,
        "last_published_at": NOW + timedelta(minutes=revision),
    }
    return Story(**(values | more))


def member(article_name: str = "article", story_name: str = "story", number: int = 1, **more: Any) -> Member:
    outlet = OUTLETS[sum(article_name.encode()) % len(OUTLETS)]
    values: dict[str, Any] = {
        "article_id": made_id(article_name),
        "story_id": made_id(story_name),
        "number": number,
        "version": 1,
        "title": f"Ferries sail again, says {article_name}",
        "url": f"https://{outlet}/{article_name}",
        "publisher": Publisher(id=outlet, name=outlet.partition(".")[0].title()),
        "published_at": NOW,
        "fetched_at": NOW,
        "story_revision": 1,
    }
    return Member(**(values | more))


def update(name: str = "story", revision: int = 1, **more: Any) -> StoryUpdated:
    story_id = made_id(name)
    values: dict[str, Any] = {
        "event_id": ids.event_id(story_id, revision),
        "story_id": story_id,
        "revision": revision,
        "reason": "created" if revision == 1 else "article_added",
        "status": StoryStatus.OPEN,
        "article_count": 1,
        "publisher_count": 1,
        "headline": f"Ferries sail again after nine weeks: {name}, revision {revision}",
        "language": "en",
        "first_published_at": NOW,
        "last_published_at": NOW + timedelta(minutes=revision),
    }
    return StoryUpdated(**(values | more))


def brief(name: str = "story", story_revision: int = 1, numbers: Sequence[int] = (1,), **more: Any) -> Brief:
    sentences = tuple(Sentence(text=f"The crossing reopened on Friday, report {number} said.", citations=(number,)) for number in numbers)
    values: dict[str, Any] = {
        "story_id": made_id(name),
        "story_revision": story_revision,
        "sections": (Section(heading="The crossing is open again", sentences=sentences),),
    }
    return Brief(**(values | more))


@dataclass
class Log:
    """Records by topic and partition, as a broker would hold them."""

    partitions: dict[tuple[str, int], list[SourceRecord]] = field(default_factory=lambda: defaultdict(list))
    clock_ms: int = int(NOW.timestamp() * 1000)

    def append(self, topic: Topic, key: object, value: Message | bytes | None, partition: int | None = None) -> SourceRecord:
        partition = key_partition(str(key), topic) if partition is None else partition
        records = self.partitions[topic.name, partition]
        self.clock_ms += 7
        data = value.to_bytes() if isinstance(value, Message) else value
        record = SourceRecord(topic.name, partition, len(records), str(key).encode(), data, self.clock_ms)
        records.append(record)
        return record

    def put(self, message: Message, partition: int | None = None) -> SourceRecord:
        topic, key = {
            Feed: (FEEDS, "feed_id"),
            Article: (ARTICLES, "article_id"),
            Story: (STORIES, "story_id"),
            Member: (STORY_MEMBERS, "article_id"),
            StoryUpdated: (STORY_UPDATES, "story_id"),
            Brief: (STORY_BRIEFS, "story_id"),
        }[type(message)]
        return self.append(topic, getattr(message, key), message, partition)

    def records(self) -> Iterable[SourceRecord]:
        for records in self.partitions.values():
            yield from records


@dataclass
class _Present:
    revision: int = 0
    next_number: int = 1
    members: dict[str, int] = field(default_factory=dict)
    redirect_to: str | None = None


def world(seed: int, steps: int = 40) -> Log:
    """Make the records of a small world: articles come, are corrected, withdrawn, moved, erased; stories merge. Some records repeat."""
    chance = random.Random(seed)
    log = Log()
    stories: dict[str, _Present] = {}
    versions: dict[str, int] = {}
    place: dict[str, str] = {}
    withdrawn: set[str] = set()

    def tell(name: str, reason: str, added: Sequence[str] = (), removed: Sequence[str] = (), changed: Sequence[str] = ()) -> None:
        held = stories[name]
        held.revision += 1
        present = [article_name for article_name in held.members if article_name not in withdrawn]
        status = StoryStatus.MERGED if held.redirect_to else StoryStatus.OPEN if present else StoryStatus.EMPTY
        counts: dict[str, Any] = {
            "status": status,
            "article_count": len(present),
            "publisher_count": len({OUTLETS[sum(article_name.encode()) % len(OUTLETS)] for article_name in present}),
            "redirect_to": made_id(held.redirect_to) if held.redirect_to else None,
        }
        log.put(
            update(
                name,
                held.revision,
                reason=reason,
                articles_added=tuple(map(made_id, added)),
                articles_removed=tuple(map(made_id, removed)),
                articles_changed=tuple(map(made_id, changed)),
                **counts,
            ),
            0,
        )
        refs = tuple(MemberRef(article_id=made_id(article_name), number=held.members[article_name]) for article_name in present[-100:])
        links = (StoryLink(story_id=made_id("elsewhere"), language="de", article_count=2),) if chance.random() < 0.2 else ()
        log.put(story(name, held.revision, members=refs, links=links, **counts), 0)
        for article_name in [*added, *changed]:
            version = versions[article_name]
            log.put(
                member(
                    article_name,
                    name,
                    held.members[article_name],
                    version=version,
                    present=article_name not in withdrawn,
                    story_revision=held.revision,
                ),
                0,
            )
        if present and chance.random() < 0.6:
            log.put(brief(name, held.revision, [held.members[article_name] for article_name in present[:4]]))

    def join(article_name: str, name: str) -> None:
        held = stories.setdefault(name, _Present())
        held.members[article_name] = held.next_number
        held.next_number += 1
        place[article_name] = name

    log.put(feed())
    for step in range(steps):
        act = chance.random()
        alive = [name for name, held in stories.items() if not held.redirect_to]
        if act < 0.5 or not place:
            name = f"article-{step}"
            versions[name] = 1
            log.put(article(name))
            home = chance.choice([*alive, f"story-{step}"])
            join(name, home)
            tell(home, "created" if stories[home].revision == 0 else "article_added", added=[name])
        elif act < 0.65:
            name = chance.choice(sorted(place))
            versions[name] += 1
            if chance.random() < 0.4:
                withdrawn.add(name)
            status = ArticleStatus.WITHDRAWN if name in withdrawn else ArticleStatus.PUBLISHED
            log.put(article(name, versions[name], status=status, title=f"Corrected: ferries sail, says {name}"))
            tell(place[name], "article_corrected", changed=[name])
        elif act < 0.78 and len(alive) > 1:
            name = chance.choice(sorted(place))
            old, new = place[name], chance.choice(alive)
            if old != new:
                stories[old].members.pop(name)
                join(name, new)
                tell(old, "article_moved", removed=[name])
                tell(new, "article_moved", added=[name])
        elif act < 0.86 and len(alive) > 1:
            gone, stays = chance.sample(alive, 2)
            moved = list(stories[gone].members)
            for name in moved:
                join(name, stays)
            stories[gone].members.clear()
            stories[gone].redirect_to = stays
            tell(gone, "merged", removed=moved)
            tell(stays, "merged", added=moved)
        elif act < 0.92:
            name = chance.choice(sorted(place))
            home = place.pop(name)
            stories[home].members.pop(name)
            log.append(ARTICLES, made_id(name), None)
            log.append(STORY_MEMBERS, made_id(name), None, 0)
            tell(home, "erased", removed=[name])
        else:
            # A record that comes twice, as after a broker's loss of its disk.
            records = log.partitions[chance.choice(sorted(log.partitions))]
            last = records[-1]
            log.clock_ms += 7
            records.append(SourceRecord(last.topic, last.partition, len(records), last.key, last.value, log.clock_ms))
    return log

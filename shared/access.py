"""Who may do what in Kafka: one user for each service, one for operators, one for readers of the public topics.

The table is the least that each needs. `slugline topics acls` prints or applies it, the chart makes KafkaUsers of it.
Writing to a topic includes idempotent producing; brokers ask for no further right.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from shared.topics import (
    ALL,
    ARTICLES,
    ASSIGN_STATE,
    DEAD_LETTERS,
    DISCOVERIES,
    FEEDS,
    FETCH_CONTROL,
    FETCH_STATE,
    POLL_STATE,
    STORIES,
    STORY_BRIEFS,
    STORY_INPUTS,
    STORY_MEMBERS,
    STORY_UPDATES,
    Topic,
)

Kind = Literal["topic", "group", "transactional-id", "cluster"]
Operation = Literal["Read", "Write", "Describe", "Create", "Alter", "AlterConfigs", "DescribeConfigs", "Delete"]


@dataclass(frozen=True, slots=True)
class Resource:
    """One thing that Kafka guards, or all whose names begin so."""

    kind: Kind
    name: str
    prefixed: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """What a user may do to one resource."""

    resource: Resource
    operation: Operation


@dataclass(frozen=True, slots=True)
class Access:
    """What one user may do. `owns` is the source whose partitions a stage owns: it then transacts under its group's name."""

    does: str
    reads: Sequence[Topic] = ()
    writes: Sequence[Topic] = ()
    group: str | None = None
    owns: Topic | None = None
    more: Sequence[tuple[Resource, tuple[Operation, ...]]] = ()

    def grants(self) -> Iterator[Grant]:
        """Give every single grant."""
        for resource, operations in self.by_resource():
            yield from (Grant(resource, operation) for operation in operations)

    def by_resource(self) -> list[tuple[Resource, tuple[Operation, ...]]]:
        """Give what it may do to each resource."""
        given: dict[Resource, dict[Operation, None]] = {}

        def give(resource: Resource, *operations: Operation) -> None:
            given.setdefault(resource, {}).update(dict.fromkeys(operations))

        for topic in self.reads:
            give(Resource("topic", topic.name), "Read", "Describe")
        for topic in self.writes:
            give(Resource("topic", topic.name), "Write", "Describe")
        if self.group is not None:
            give(Resource("group", self.group), "Read", "Describe")
        if self.owns is not None:
            give(Resource("transactional-id", f"{self.group}-{self.owns.name}-", prefixed=True), "Write", "Describe")
        for resource, operations in self.more:
            give(resource, *operations)
        return [(resource, tuple(operations)) for resource, operations in given.items()]


DOCTOR_PREFIX: Final = "slugline-doctor-"
"""How the topics begin that `slugline doctor` makes for a moment, to read the broker's clock."""
PUBLIC: Final = (ARTICLES, STORY_UPDATES, STORIES, STORY_MEMBERS, STORY_BRIEFS)
"""What downstream consumers read; the other topics are the services' own."""

ACCESS: Final = {
    "poll": Access(
        "asks feeds",
        reads=(FEEDS, FETCH_CONTROL, POLL_STATE),
        writes=(DISCOVERIES, DEAD_LETTERS, POLL_STATE),
        group="slugline-poll",
        owns=FEEDS,
    ),
    "fetch": Access(
        "fetches pages",
        reads=(DISCOVERIES, FETCH_CONTROL, FETCH_STATE),
        writes=(ARTICLES, DISCOVERIES, DEAD_LETTERS, FETCH_STATE),
        group="slugline-fetch",
        owns=DISCOVERIES,
    ),
    "post": Access("takes articles over HTTP", writes=(DISCOVERIES,)),
    "enrich": Access("makes features", reads=(ARTICLES,), writes=(STORY_INPUTS, DEAD_LETTERS), group="slugline-enrich"),
    "assign": Access(
        "puts articles into stories",
        reads=(STORY_INPUTS, ASSIGN_STATE),
        writes=(STORY_INPUTS, STORY_UPDATES, STORIES, STORY_MEMBERS, DEAD_LETTERS, ASSIGN_STATE),
        group="slugline-assign",
        owns=STORY_INPUTS,
    ),
    "link": Access("links stories across languages", reads=(STORIES, STORY_INPUTS), writes=(STORY_INPUTS,)),
    "materialise": Access(
        "writes rows", reads=(FEEDS, ARTICLES, STORIES, STORY_MEMBERS, STORY_UPDATES, STORY_BRIEFS), writes=(DEAD_LETTERS,)
    ),
    "brief": Access("writes briefs", writes=(STORY_BRIEFS, DEAD_LETTERS)),
    "operator": Access(
        "the command line: feeds, commands of editors, dead letters, offsets, topics",
        reads=ALL,
        writes=ALL,  # a dead letter is replayed to where it came from
        more=(
            (Resource("group", "slugline-", prefixed=True), ("Read", "Describe")),
            (Resource("transactional-id", "slugline-", prefixed=True), ("Write", "Describe")),
            (Resource("cluster", "kafka-cluster"), ("Create", "Describe")),
            (Resource("topic", DOCTOR_PREFIX, prefixed=True), ("Write", "Describe", "Delete")),
            *((Resource("topic", topic.name), ("AlterConfigs", "DescribeConfigs")) for topic in ALL),
            # `slugline erase --now` cuts logs. Kafka has no right to delete records alone: this one is to delete the topic, too.
            *((Resource("topic", topic.name), ("Delete",)) for topic in ALL if topic.config["cleanup.policy"] == "delete"),
        ),
    ),
    "reader": Access(
        "follows the public topics",
        reads=PUBLIC,
        more=((Resource("group", "slugline-reader-", prefixed=True), ("Read", "Describe")),),
    ),
}
"""By the name that follows `slugline-` in the user's. The web has nothing to do with Kafka."""

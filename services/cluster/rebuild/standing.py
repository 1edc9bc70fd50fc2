"""What stands: one partition's stories as assign's changelog tells them. Pure; fed record by record, it can be brought up to date."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from services.cluster.assign import records
from services.cluster.assign.records import ClockRecord, MemberRecord, StoryRecord, Tie
from shared.errors import OwnerError
from shared.kafka.changelog import OFFSET_KEY


@dataclass(slots=True)
class Standing:
    """Records by id. `next_offset`: the input that assign takes next; `features` are JSON, kept only where wanted."""

    partition: int
    keep_features: bool = False
    next_offset: int = 0
    stories: dict[UUID, StoryRecord] = field(default_factory=dict)
    members: dict[UUID, MemberRecord] = field(default_factory=dict)
    ties: dict[tuple[UUID, UUID], Tie] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    features: dict[UUID, bytes] = field(default_factory=dict)
    clock: ClockRecord | None = None

    def take(self, key: str, value: bytes | None) -> None:
        """Take a record, later ones after earlier ones; None deletes. Raises `OwnerError` for one that can't be read."""
        try:
            self._take(key, value)
        except ValueError as error:
            raise OwnerError(
                f"assign's changelog, partition {self.partition}: record {key!r} can't be read by this version: {error}"
            ) from error

    def _take(self, key: str, value: bytes | None) -> None:
        prefix, name = key[:2], key[2:]
        if key == OFFSET_KEY:
            self.next_offset = int(value or 0)
        elif prefix == records.MEMBER_PREFIX:
            _put(self.members, UUID(name), None if value is None else records.member_from_bytes(value))
        elif prefix == records.STORY_PREFIX:
            _put(self.stories, UUID(name), None if value is None else records.STORY.validate_json(value))
        elif prefix == records.FEATURES_PREFIX:
            if self.keep_features:
                _put(self.features, UUID(name), value)
        elif prefix == records.TIE_PREFIX:
            one, other = name.split(":")
            _put(self.ties, (UUID(one), UUID(other)), None if value is None else records.TIE.validate_json(value))
        elif prefix == records.OWNER_PREFIX:
            _put(self.owners, name, None if value is None else records.OWNER.validate_json(value))
        elif key == records.CLOCK_KEY and value is not None:
            self.clock = records.CLOCK.validate_json(value)

    def placed(self) -> list[MemberRecord]:
        """List the members that are in a story, those that are withdrawn too."""
        return [member for member in self.members.values() if member.story_id is not None]

    def stories_of(self, members: Iterable[MemberRecord]) -> dict[UUID, UUID]:
        """Give the story of each of these members."""
        return {member.article_id: member.story_id for member in members if member.story_id is not None}


def _put(table: dict, key: object, value: object) -> None:  # type: ignore[type-arg]
    if value is None:
        table.pop(key, None)
    else:
        table[key] = value

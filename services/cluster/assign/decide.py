"""Which story an input changes, and how. Pure: no broker, no clock, no chance; the order of inputs decides alone."""

from collections.abc import Callable, Mapping
from uuid import UUID

from services.cluster.assign import records
from services.cluster.assign.articles import take_article
from services.cluster.assign.clock import strike
from services.cluster.assign.commands import take_command
from services.cluster.assign.crosslinks import take_link
from services.cluster.assign.draft import Draft
from services.cluster.assign.index import SimilarityIndex
from services.cluster.assign.owners import SHIPPED, read_owners
from services.cluster.assign.proposals import SecondLook
from services.cluster.assign.second_look import bring_home, propose, split_what_is_apart
from services.cluster.assign.shelves import Index
from services.cluster.assign.state import Assigned, Effects, State
from services.cluster.config import StoryRules
from shared.contracts import Features, StoryInput
from shared.errors import InvalidMessage, OwnerError
from shared.kafka.decision import Decision, SourceRecord


class AssignLogic:
    """The stories of one partition of `story_inputs.v1`."""

    def __init__(
        self,
        partition: int,
        rules: StoryRules,
        *,
        make_index: Callable[[str], Index] = SimilarityIndex,
        second_look: SecondLook = propose,
        apart_look: SecondLook = split_what_is_apart,
        around_look: SecondLook = bring_home,
    ) -> None:
        """Begin without stories. Raises `InvalidSetting` for an owner table that can't be read."""
        self._partition = partition
        self._changelog: dict[str, bytes] = {}
        self.state = State(rules, make_index, second_look, apart_look, around_look, read_owners(rules.owner_table or SHIPPED))

    def restore(self, key: str, value: bytes | None) -> None:
        """Take one changelog record, oldest first; None deletes."""
        if value is None:
            self._changelog.pop(key, None)
        else:
            self._changelog[key] = value

    def restored(self) -> None:
        """All records are read: parse the last of each key and build what is derived. Raises `OwnerError` where one can't be read."""
        effects = Effects()
        features: dict[UUID, bytes] = {}
        while self._changelog:
            key, value = self._changelog.popitem()
            if key.startswith(records.FEATURES_PREFIX):
                features[UUID(key[len(records.FEATURES_PREFIX) :])] = value  # in bytes, since only the index wants them, one by one
            else:
                self._note(effects, key, value)
        self.state.fill(effects, features)

    def follow(self, changes: Mapping[str, bytes | None]) -> None:
        """Take over the changelog records that whole transactions of another owner left. Raises `OwnerError` where one can't be read."""
        effects = Effects()
        for key, value in changes.items():
            self._note(effects, key, value)
        self.state.follow(effects)

    def _note(self, effects: Effects, key: str, value: bytes | None) -> None:
        try:
            _read(effects, key, value)
        except ValueError as error:
            raise OwnerError(f"assign's changelog, partition {self._partition}: record {key!r} can't be read: {error}") from error

    def decide(self, record: SourceRecord) -> Decision:
        """Say what follows from an input, changing nothing. Raises `InvalidMessage` and `Refused`."""
        if record.value is None:
            raise InvalidMessage("a story input without a value")
        return self.decide_input(StoryInput.from_bytes(record.value))

    def decide_input(self, story_input: StoryInput) -> Assigned:
        """Say what follows from an input that is read already."""
        with Draft(self.state, self._partition) as draft:
            if story_input.article is not None:
                take_article(draft, story_input.article)
            elif story_input.command is not None:
                take_command(draft, story_input.command)
            elif story_input.link is not None:
                take_link(draft, story_input.link)
            elif story_input.clock is not None:
                strike(draft, story_input.clock)
            return draft.decision()

    def apply(self, decision: Decision) -> None:
        """Take a decision over into memory."""
        if isinstance(decision, Assigned):
            self.state.take(decision.effects)


def _read(effects: Effects, key: str, value: bytes | None) -> None:
    """Parse a changelog record; None deletes. Raises `ValueError`."""
    prefix, name = key[:2], key[2:]
    if key == records.CLOCK_KEY:
        effects.clock = None if value is None else records.CLOCK.validate_json(value)
    elif prefix == records.FEATURES_PREFIX:
        effects.features[UUID(name)] = None if value is None else Features.model_validate_json(value)
    elif prefix == records.MEMBER_PREFIX:
        effects.members[UUID(name)] = None if value is None else records.member_from_bytes(value)
    elif prefix == records.STORY_PREFIX:
        effects.stories[UUID(name)] = None if value is None else records.STORY.validate_json(value)
    elif prefix == records.TIE_PREFIX:
        one, other = name.split(":")
        effects.ties[UUID(one), UUID(other)] = None if value is None else records.TIE.validate_json(value)
    elif prefix == records.COMMAND_PREFIX:
        effects.commands[UUID(name)] = None if value is None else records.COMMAND.validate_json(value)
    elif prefix == records.OWNER_PREFIX:
        effects.owners[name] = None if value is None else records.OWNER.validate_json(value)
    else:
        raise ValueError("no record of this version's state has such a key")

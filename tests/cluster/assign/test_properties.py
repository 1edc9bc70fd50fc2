"""Whatever comes in: what consumers rely on holds, and the same input gives the same bytes, through any restart."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.cluster.assign.decide import AssignLogic
from services.cluster.assign.shelves import Shelf
from services.cluster.assign.state import State
from shared.contracts import CommandOp, StoryInput
from shared.errors import Refused
from tests.cluster.assign.made_up import (
    ExactIndex,
    Partition,
    article,
    article_uuid,
    clock,
    command,
    eager_around,
    eager_look,
    link,
    record_of,
    rules,
)

TOPICS = ("quake norland", "quake norland velm", "flood eastland", "vote budget eastland", "cup final")
SIGNATURES = ((), tuple(range(64)), (*range(40), *range(900, 924)), tuple(range(2_000, 2_064)))
OUTLETS = ("bbc.com", "bbc.co.uk", "lemonde.fr", "elpais.com", "as.com", "outlet.example")
ARTICLES = 14


@dataclass(frozen=True)
class Step:
    """One input in the making; `a`, `b`, `c` choose what it is about."""

    kind: str
    a: int
    b: int
    c: int


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from(
            ("new", "new", "new", "new", "correct", "withdraw", "again", "clock", "leap", "link", "unlink", *(op.value for op in CommandOp))
        ),
        *(st.integers(0, 59) for _ in range(3)),
    ),
    min_size=1,
    max_size=60,
)


class World:
    """Makes inputs out of steps: versions rise, the clock goes on, commands name what there is, mostly."""

    def __init__(self) -> None:
        self.versions: dict[int, int] = {}
        self.last: dict[int, StoryInput] = {}
        self.hours = 0.0
        self.count = 0

    def input(self, step: Step, partition: Partition) -> StoryInput:
        self.count += 1
        self.hours += 0.25
        number = step.a % ARTICLES
        if step.kind == "again" and number in self.last:
            return self.last[number]
        if step.kind in {"new", "correct", "withdraw", "again"}:
            self.versions[number] = self.versions.get(number, 0) + 1
            self.last[number] = article(
                number,
                TOPICS[step.b % len(TOPICS)],
                version=self.versions[number],
                withdrawn=step.kind == "withdraw",
                outlet=OUTLETS[number % len(OUTLETS)],
                language=("en", "en", "fr")[number % 3],
                hours=self.hours - step.c,
                fetched_hours=self.hours,
                timed=step.c % 5 > 0,
                signature=SIGNATURES[(step.b + step.c) % len(SIGNATURES)],
                words=200,
                title=f"{TOPICS[step.b % len(TOPICS)]} {number if step.c % 2 else ''}",
            )
            return self.last[number]
        stories = sorted(partition.consumer.stories)
        story, other = (stories[place % len(stories)] if stories else article_uuid(place) for place in (step.a, step.b))
        if step.kind in {"clock", "leap"}:
            self.hours += step.a if step.kind == "clock" else 20 * step.a
            return clock(self.hours)
        if step.kind in {"link", "unlink"}:
            return link(story, step.b % 4, linked=step.kind == "link")
        known = [number for number in range(ARTICLES) if article_uuid(number) in partition.consumer.members]
        chosen = [known[(step.b + place) % len(known)] for place in range(1 + step.c % 3)] if known else [step.b]
        if step.kind == "split" and step.c % 4 and known:
            story = partition.story_id(chosen[0])
            chosen = [number for number in chosen if partition.story_id(number) == story]
        return command(CommandOp(step.kind), self.count - step.c % 2, articles=chosen, story_id=story, into_story_id=other)


def picture(state: State) -> dict[str, Any]:
    """Lay open all that a state holds, what is derived from its records too."""
    return {
        "stories": state.stories,
        "members": state.members,
        "rosters": {
            story_id: (roster.everyone(), roster.newest(), roster._times, roster.sources._own, roster.sources._groups, roster.sources.count)
            for story_id, roster in state.rosters.items()
        },
        "prints": state.prints,
        "ties": state.ties._of,
        "commands": state.commands,
        "owners": state.owners,
        "clock": state.clock,
        "counters": (state.seq, state.ordinal),
        "held": {
            (language, shelf): set(index.held)
            for language in ("en", "fr")
            for shelf in Shelf
            if isinstance(index := state.shelves.index(language, shelf), ExactIndex) and index.held
        },
        "places": dict(state.shelves._places),
        "open": state.shelves.open_articles,
        "turns": (state.story_turns._due, state.orphan_turns._due),
        "growth": list(state.growth),
        "recent": state.recent_articles(),
    }


def run(steps: list[Step], partition: Partition) -> Iterator[StoryInput]:
    """Drive a partition through steps, giving each input before it is handled."""
    world = World()
    for step in steps:
        story_input = world.input(step, partition)
        yield story_input
        try:
            partition.take(story_input)
        except Refused:
            partition.offset += 1


def small_partition() -> Partition:
    few = rules(keep_days=10, sweep_limit=2, copies_indexed=1, second_look_every=4)
    return Partition(few, second_look=eager_look, around_look=eager_around)


GIVEN = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@GIVEN
@given(STEPS)
def test_what_consumers_rely_on_holds_after_every_input(steps: list[Step]) -> None:
    for _ in run(steps, small_partition()):
        pass  # Partition.take checks


@GIVEN
@given(STEPS, st.sets(st.integers(0, 59)))
def test_a_restart_anywhere_leaves_state_and_outputs_as_they_would_be(steps: list[Step], restarts: set[int]) -> None:
    steady, restarted = small_partition(), small_partition()
    for place, story_input in enumerate(run(steps, steady)):
        if place in restarts:
            restarted.restart()
            assert picture(restarted.logic.state) == picture(steady.logic.state)
        try:
            restarted.take(story_input)
        except Refused:
            restarted.offset += 1
    assert restarted.bytes == steady.bytes
    assert restarted.changelog == steady.changelog


@GIVEN
@given(STEPS, st.sets(st.integers(0, 59)), st.integers(0, 59))
def test_a_standby_has_the_state_that_it_follows_and_goes_on_as_its_owner_would(steps: list[Step], ends: set[int], takeover: int) -> None:
    """Transactions end anywhere; the standby gets what each left different, and takes the partition over at one of their ends."""
    steady, owned = small_partition(), small_partition()
    standby = AssignLogic(3, owned.rules, **owned.parts)
    standby.restored()
    for place, story_input in enumerate(run(steps, steady)):
        if place in ends:
            owned.followed_by(standby)
            assert picture(standby.state) == picture(owned.logic.state)
        if place == takeover:
            owned.followed_by(standby)
            owned.logic, standby = standby, owned.logic
        try:
            owned.take(story_input)
        except Refused:
            owned.offset += 1
    assert owned.bytes == steady.bytes
    assert owned.changelog == steady.changelog


@GIVEN
@given(STEPS)
def test_deciding_changes_nothing_and_says_the_same_again(steps: list[Step]) -> None:
    partition = small_partition()
    for story_input in run(steps, partition):
        before = deepcopy(picture(partition.logic.state))
        said = []
        for _ in range(2):
            try:
                decision = partition.logic.decide(record_of(story_input))
            except Refused as refused:
                said.append(refused.reason)
            else:
                said.append(repr(decision))
            assert picture(partition.logic.state) == before
        assert said[0] == said[1]


@GIVEN
@given(STEPS)
def test_inputs_that_come_twice_are_told_once(steps: list[Step]) -> None:
    """Every article, link and clock right after itself; a command may have become impossible, but takes no effect again."""
    once, twice = small_partition(), small_partition()
    for story_input in run(steps, once):
        for _ in range(2):
            try:
                twice.take(story_input)
            except Refused:
                twice.offset += 1
    assert twice.bytes == once.bytes

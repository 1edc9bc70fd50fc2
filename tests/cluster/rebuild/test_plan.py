"""A rebuild's difference told as commands brings the stories to the new grouping, breaks no editor's tie, and is then nothing."""

import random
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from services.cluster.assign.decide import AssignLogic
from services.cluster.config import StoryRules
from services.cluster.rebuild.compare import compare
from services.cluster.rebuild.constrain import Grouping, constrain
from services.cluster.rebuild.page import page_of
from services.cluster.rebuild.plan import Signature, plan
from services.cluster.rebuild.regroup import Past, in_order, regroup
from services.cluster.rebuild.standing import Standing
from shared.contracts import CommandOp, InputKind, StoryInput, StoryStatus
from shared.errors import Refused
from tests.cluster.assign.made_up import NOON, ExactIndex, Partition, article, article_uuid, command, no_second_look

EVENTS = ("quake norland velm", "flood eastland dike", "vote budget house", "cup final penalty")
SIGNATURE = Signature(uuid4(), "rebuild", "new code", NOON)


def standing_of(partition: Partition) -> Standing:
    standing = Standing(3)
    for key, value in partition.changelog.items():
        standing.take(key, value)
    return standing


def apply(partition: Partition, clustered: Mapping[UUID, UUID], *, rounds: int = 6) -> int:
    """Send plans until one is empty; gives how many commands it took."""
    sent = 0
    for _ in range(rounds):
        commands = plan(standing_of(partition), constrain(standing_of(partition), clustered), SIGNATURE)
        if not commands:
            return sent
        for one in commands:
            partition.take(StoryInput(kind=InputKind.COMMAND, command=one))
            sent += 1
    return -1


def homes(partition: Partition) -> dict[UUID, UUID]:
    return {article_id: member.story_id for article_id, member in partition.consumer.members.items() if member.present}


def group_ids(*groups: tuple[int, ...]) -> dict[UUID, UUID]:
    return {article_uuid(number): UUID(int=place) for place, group in enumerate(groups, 1) for number in group}


def told(partition: Partition) -> set[frozenset[UUID]]:
    by_story: dict[UUID, set[UUID]] = {}
    for article_id, story_id in homes(partition).items():
        by_story.setdefault(story_id, set()).add(article_id)
    return {frozenset(articles) for articles in by_story.values()}


def wanted(grouping: Grouping, partition: Partition) -> set[frozenset[UUID]]:
    by_group: dict[object, set[UUID]] = {}
    for article_id in homes(partition):
        by_group.setdefault(grouping.groups[article_id], set()).add(article_id)
    return {frozenset(articles) for articles in by_group.values()}


def test_stories_are_merged_split_and_moved_and_old_ids_lead_on() -> None:
    partition = Partition()
    partition.take(*(article(number, EVENTS[number % 2]) for number in range(8)), article(8, EVENTS[2]), article(9, EVENTS[3]))
    before = set(partition.consumer.stories)
    clustered = group_ids((0, 2, 4, 1), (6,), (3, 5, 7, 8, 9))
    difference = compare(standing_of(partition), constrain(standing_of(partition), clustered))
    assert (difference.stories_before, difference.stories_after, difference.merged, difference.split, difference.moved) == (4, 3, 2, 1, 1)
    assert difference.agreement.f1 < 1
    assert "flood eastland dike" in page_of(difference.to_json(10), "")

    assert apply(partition, clustered) == 4
    assert told(partition) == {frozenset(article_uuid(n) for n in group) for group in ((0, 2, 4, 1), (6,), (3, 5, 7, 8, 9))}
    assert all(partition.consumer.home(story_id).status is StoryStatus.OPEN for story_id in before)
    after = compare(standing_of(partition), constrain(standing_of(partition), clustered))
    assert (after.merged, after.split, after.moved, after.changes, after.agreement.f1) == (0, 0, 0, [], 1)
    assert all(update.actor.kind == "machine" for update in partition.consumer.updates)
    assert not [key for key in partition.changelog if key.startswith("t:")], "a rebuild ties nothing"


def test_an_editors_word_outlives_a_rebuild_that_says_otherwise() -> None:
    partition = Partition()
    partition.take(*(article(number, EVENTS[0]) for number in range(4)), article(4, EVENTS[1]), article(5, EVENTS[2]))
    partition.take(command(CommandOp.SPLIT, 1, articles=(2, 3), story_id=partition.story_id(0)))
    partition.take(command(CommandOp.MERGE, 2, story_id=partition.story_id(4), into_story_id=partition.story_id(5)))
    partition.take(command(CommandOp.CLOSE, 3, story_id=partition.story_id(5)))
    stood = told(partition)
    assert apply(partition, group_ids((0, 1, 2, 3, 4), (5,))) == 0
    assert told(partition) == stood


def test_a_machines_command_is_refused_where_an_editors_tie_would_break() -> None:
    partition = Partition()
    partition.take(*(article(number, EVENTS[0]) for number in range(4)), article(4, EVENTS[1]))
    one = partition.story_id(0)
    partition.take(command(CommandOp.SPLIT, 1, articles=(2, 3), story_id=one))
    with pytest.raises(Refused, match="apart"):
        partition.take(command(CommandOp.MERGE, 2, story_id=partition.story_id(2), into_story_id=one, machine=True))
    with pytest.raises(Refused, match="together"):
        partition.take(command(CommandOp.MOVE, 3, articles=(2,), into_story_id=partition.story_id(4), machine=True))


def test_articles_that_came_since_go_with_their_story() -> None:
    partition = Partition()
    partition.take(article(0, EVENTS[0]), article(1, EVENTS[1]))
    clustered = group_ids((0, 1))
    partition.take(article(2, EVENTS[0]), article(3, EVENTS[1]), article(4, EVENTS[2]))
    apply(partition, clustered)
    assert told(partition) == {frozenset(article_uuid(n) for n in (0, 1, 2, 3)), frozenset({article_uuid(4)})}


def test_a_story_of_which_little_was_clustered_stays_as_it_is() -> None:
    partition = Partition()
    partition.take(*(article(number, EVENTS[0]) for number in range(5)), *(article(number, EVENTS[1]) for number in (5, 6)))
    before = told(partition)
    assert apply(partition, group_ids((0, 1, 5, 6))) == 0
    assert told(partition) == before
    assert apply(partition, group_ids((0, 1, 2, 5, 6))) == 1


@pytest.mark.parametrize("seed", range(40))
def test_any_grouping_is_reached_and_a_second_time_changes_nothing(seed: int) -> None:
    chance = random.Random(seed)
    partition = Partition()
    count = chance.randrange(5, 60)
    for number in range(count):
        partition.take(article(number, chance.choice(EVENTS), hours=number / 10))
        if chance.random() < 0.1:
            partition.take(article(number, "gone", version=2, withdrawn=True, hours=number / 10))
        if chance.random() < 0.2:
            _edit(partition, chance, number)
    clustered = {article_uuid(n): UUID(int=chance.randrange(1, 6)) for n in range(count) if chance.random() < 0.9}
    apart = kept_apart(standing_of(partition))
    ties = {key: value for key, value in partition.changelog.items() if key.startswith("t:")}
    assert apply(partition, clustered) >= 0, "a plan is empty in the end"
    assert told(partition) == wanted(constrain(standing_of(partition), clustered), partition)
    assert {key: value for key, value in partition.changelog.items() if key.startswith("t:")} == ties
    assert apply(partition, clustered) == 0
    assert kept_apart(standing_of(partition)) >= apart


def _edit(partition: Partition, chance: random.Random, number: int) -> None:
    stories = sorted(set(homes(partition).values()))
    if not stories:
        return
    one, other = chance.choice(stories), chance.choice(stories)
    articles = sorted(article_id for article_id, story_id in homes(partition).items() if story_id == one)
    op = chance.choice((CommandOp.SPLIT, CommandOp.MERGE, CommandOp.MOVE, CommandOp.CLOSE))
    made = command(op, number, story_id=one, into_story_id=other)
    assert made.command is not None
    chosen = tuple(chance.sample(articles, 1 + len(articles) // 3)) if op in {CommandOp.SPLIT, CommandOp.MOVE} else ()
    try:
        partition.take(made.model_copy(update={"command": made.command.model_copy(update={"article_ids": chosen})}))
    except Refused:
        return


def kept_apart(standing: Standing) -> set[tuple[UUID, UUID]]:
    """Give the pairs that an editor keeps apart, and that are. Those of a later word of his are not."""
    story_of = standing.stories_of(standing.members.values())
    return {
        (one, other) for (one, other), tie in standing.ties.items() if tie.kind == "cannot" and story_of.get(one) != story_of.get(other)
    }


def test_history_is_grouped_by_the_services_own_decisions_in_the_order_in_which_it_came() -> None:
    inputs = [article(number, EVENTS[number % 3], hours=number) for number in range(30)]
    partition = Partition()
    partition.take(*inputs)

    def logic(number: int, rules: StoryRules) -> AssignLogic:
        return AssignLogic(number, rules, make_index=ExactIndex, second_look=no_second_look)

    history = [Past(one.article, one.article.fetched_at + timedelta(0), 0) for one in reversed(inputs) if one.article is not None]
    clustered = regroup(3, in_order(history), {}, {}, partition.rules, make_logic=logic)
    assert clustered == homes(partition), "the same code and order give the same stories, by the same ids"
    assert apply(partition, clustered) == 0

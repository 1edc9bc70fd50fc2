"""What editors' commands do, and that the machine keeps to them."""

import uuid

import pytest

from shared import ids
from shared.contracts import CommandOp, StoryStatus
from shared.errors import Refused
from tests.cluster.assign.made_up import Partition, article, article_uuid, command, link, record_of


@pytest.fixture
def partition() -> Partition:
    """Two stories: articles 1, 2, 3 on a quake, 4 and 5 on a flood."""
    partition = Partition()
    partition.take(*(article(number) for number in (1, 2, 3)), *(article(number, "flood eastland") for number in (4, 5)))
    return partition


def refusal(partition: Partition, story_input) -> str:
    with pytest.raises(Refused) as refused:
        partition.logic.decide(record_of(story_input))
    return refused.value.reason


def test_merge_redirects_one_and_gives_the_others_next_numbers(partition: Partition) -> None:
    quake, flood = partition.story_id(1), partition.story_id(4)
    gone, into = partition.take(command(CommandOp.MERGE, story_id=flood, into_story_id=quake))
    assert (gone.story_id, gone.reason, gone.status, gone.redirect_to, gone.article_count) == (flood, "merged", "merged", quake, 0)
    assert gone.articles_removed == into.articles_added == (article_uuid(4), article_uuid(5))
    assert (into.story_id, into.reason, into.article_count) == (quake, "merged", 5)
    assert (into.actor.kind, into.actor.name, into.actor.why) == ("editor", "ada", "so it is")
    assert [partition.consumer.members[article_uuid(number)].number for number in (1, 2, 3, 4, 5)] == [1, 2, 3, 4, 5]


def test_what_names_a_merged_story_means_the_one_it_lives_in(partition: Partition) -> None:
    partition.take(article(6, "storm"))
    quake, flood, storm = partition.story_id(1), partition.story_id(4), partition.story_id(6)
    partition.take(command(CommandOp.MERGE, 1, story_id=flood, into_story_id=quake))
    partition.take(command(CommandOp.MERGE, 2, story_id=quake, into_story_id=storm))
    (event,) = partition.take(command(CommandOp.PIN, 3, story_id=flood))
    assert (event.story_id, event.reason) == (storm, "edited")
    assert partition.consumer.home(flood).pinned
    assert partition.take(command(CommandOp.MERGE, 4, story_id=flood, into_story_id=storm)) == []


def test_new_articles_join_the_survivor(partition: Partition) -> None:
    quake = partition.story_id(1)
    partition.take(command(CommandOp.MERGE, story_id=partition.story_id(4), into_story_id=quake))
    (event,) = partition.take(article(6, "flood eastland"))
    assert (event.story_id, event.reason) == (quake, "article_added")


def test_split_founds_a_story_by_the_lowest_number(partition: Partition) -> None:
    quake = partition.story_id(1)
    old, new = partition.take(command(CommandOp.SPLIT, story_id=quake, articles=[3, 1]))
    assert (old.story_id, old.reason, old.article_count, old.articles_removed) == (quake, "split", 1, (article_uuid(1), article_uuid(3)))
    assert new.story_id == ids.story_id(article_uuid(1), 2), "it has founded one story before"
    assert (new.reason, new.revision, new.articles_added) == ("split", 1, (article_uuid(1), article_uuid(3)))
    assert partition.consumer.members[article_uuid(3)].number == 2
    assert partition.consumer.members[article_uuid(2)].number == 2


def test_merge_then_split_gives_sound_ids(partition: Partition) -> None:
    quake, flood = partition.story_id(1), partition.story_id(4)
    partition.take(command(CommandOp.MERGE, 1, story_id=flood, into_story_id=quake))
    partition.take(command(CommandOp.SPLIT, 2, story_id=quake, articles=[4, 5]))
    again = partition.story_id(4)
    assert again == ids.story_id(article_uuid(4), 2)
    assert partition.consumer.home(flood).story_id == quake
    partition.take(article(6, "flood eastland"))
    assert partition.story_id(6) == again


def test_move_takes_an_article_from_one_story_to_another(partition: Partition) -> None:
    quake, flood = partition.story_id(1), partition.story_id(4)
    old, new = partition.take(command(CommandOp.MOVE, articles=[2], into_story_id=flood))
    assert (old.story_id, old.reason, old.articles_removed, old.article_count) == (quake, "article_moved", (article_uuid(2),), 2)
    assert (new.story_id, new.reason, new.articles_added, new.article_count) == (flood, "article_moved", (article_uuid(2),), 3)
    assert partition.consumer.members[article_uuid(2)].number == 3
    partition.take(command(CommandOp.MOVE, 2, articles=[2], into_story_id=quake))
    assert partition.consumer.members[article_uuid(2)].number == 4, "a number is given once"


def test_moving_all_of_a_story_merges_it(partition: Partition) -> None:
    quake, flood = partition.story_id(1), partition.story_id(4)
    gone, into = partition.take(command(CommandOp.MOVE, articles=[4, 5], into_story_id=quake))
    assert (gone.story_id, gone.reason, gone.redirect_to, into.story_id) == (flood, "merged", quake, quake)


def test_erase_leaves_nothing_of_an_article_but_its_version(partition: Partition) -> None:
    quake = partition.story_id(1)
    (event,) = partition.take(command(CommandOp.ERASE, articles=[1]))
    assert (event.story_id, event.reason, event.articles_removed, event.article_count) == (quake, "erased", (article_uuid(1),), 2)
    assert article_uuid(1) not in partition.consumer.members
    assert b"outlet1" not in partition.changelog[f"m:{article_uuid(1)}"]
    assert f"f:{article_uuid(1)}" not in partition.changelog
    assert partition.take(article(1, version=9)) == []


def test_erase_takes_a_title_out_of_redirects_and_empty_stories() -> None:
    partition = Partition()
    partition.take(article(1, title="Somebody did it"), article(2, "other"))
    gone = partition.story_id(1)
    partition.take(command(CommandOp.MERGE, 1, story_id=gone, into_story_id=partition.story_id(2)))
    partition.take(command(CommandOp.ERASE, 2, articles=[1, 2]))
    assert {story.headline for story in partition.consumer.stories.values()} == {""}
    assert partition.consumer.stories[gone].status is StoryStatus.MERGED


@pytest.mark.parametrize("op", [CommandOp.PIN, CommandOp.CLOSE])
def test_what_is_so_already_changes_nothing(partition: Partition, op: CommandOp) -> None:
    quake = partition.story_id(1)
    assert len(partition.take(command(op, 1, story_id=quake))) == 1
    assert partition.take(command(op, 2, story_id=quake)) == []


def test_a_command_that_comes_twice_takes_effect_once(partition: Partition) -> None:
    split = command(CommandOp.SPLIT, story_id=partition.story_id(1), articles=[3])
    assert len(partition.take(split)) == 2
    assert partition.take(split) == []


def test_unpin_undoes_pin(partition: Partition) -> None:
    quake = partition.story_id(1)
    partition.take(command(CommandOp.PIN, 1, story_id=quake))
    assert partition.consumer.stories[quake].pinned
    partition.take(command(CommandOp.UNPIN, 2, story_id=quake))
    assert not partition.consumer.stories[quake].pinned


@pytest.mark.parametrize(
    ("op", "fields", "reason"),
    [
        (CommandOp.MERGE, {}, "invalid_command"),
        (CommandOp.MERGE, {"story_id": uuid.UUID(int=1), "into_story_id": uuid.UUID(int=2)}, "unknown_story"),
        (CommandOp.MOVE, {"articles": [1]}, "invalid_command"),
        (CommandOp.SPLIT, {"story_id": "quake"}, "invalid_command"),
        (CommandOp.SPLIT, {"story_id": "quake", "articles": [4]}, "not_a_member"),
        (CommandOp.SPLIT, {"story_id": "quake", "articles": [1, 2, 3]}, "nothing_left"),
        (CommandOp.SPLIT, {"story_id": "quake", "articles": [77]}, "unknown_article"),
        (CommandOp.ERASE, {}, "invalid_command"),
        (CommandOp.PIN, {"story_id": uuid.UUID(int=1)}, "unknown_story"),
    ],
)
def test_what_can_not_be_done_is_refused_with_a_stable_reason(partition: Partition, op: CommandOp, fields: dict, reason: str) -> None:
    if fields.get("story_id") == "quake":
        fields = fields | {"story_id": partition.story_id(1)}
    assert refusal(partition, command(op, **fields)) == reason


def test_links_come_and_go_as_revisions(partition: Partition) -> None:
    quake = partition.story_id(1)
    (event,) = partition.take(link(quake, 90))
    assert event.reason == "linked"
    assert [(held.language, held.story_id) for held in partition.consumer.stories[quake].links] == [
        ("es", ids.story_id(article_uuid(90), 1))
    ]
    assert partition.take(link(quake, 90)) == []
    (event,) = partition.take(link(quake, 90, linked=False))
    assert event.reason == "unlinked"
    assert partition.consumer.stories[quake].links == ()
    assert partition.take(link(quake, 90, linked=False)) == []


def test_a_merge_keeps_the_links_of_both(partition: Partition) -> None:
    quake, flood = partition.story_id(1), partition.story_id(4)
    partition.take(link(quake, 90), link(flood, 90), link(flood, 91))
    partition.take(command(CommandOp.MERGE, story_id=flood, into_story_id=quake))
    assert len(partition.consumer.stories[quake].links) == 2


def test_a_link_of_an_unknown_story_is_refused(partition: Partition) -> None:
    assert refusal(partition, link(uuid.UUID(int=5), 90)) == "unknown_story"


def test_an_edit_of_the_owner_table_counts_for_articles_from_then_on(partition: Partition) -> None:
    own = command(CommandOp.OWN, publisher_id="outlet7.example", owner="House")
    partition.take(article(6, outlet="outlet6.example"), own, command(CommandOp.OWN, 2, publisher_id="outlet6.example", owner="House"))
    assert partition.logic.state.owners == {"outlet6.example": "House", "outlet7.example": "House"}
    partition.restart()
    assert partition.logic.state.members[article_uuid(6)].owner == "outlet6.example"
    decision = partition.logic.decide(record_of(article(7)))
    assert decision.effects.members[article_uuid(7)].owner == "House"
    partition.take(command(CommandOp.OWN, 3, publisher_id="outlet7.example"))
    assert "o:outlet7.example" not in partition.changelog

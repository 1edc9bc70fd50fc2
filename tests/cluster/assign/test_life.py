"""How stories close by the clock, reopen and are forgotten."""

from services.cluster.assign.shelves import Shelf
from shared.contracts import CommandOp, StoryStatus
from tests.cluster.assign.made_up import Partition, article, clock, command, rules


def test_a_quiet_story_closes_by_event_time_and_its_articles_leave_the_index() -> None:
    partition = Partition()
    partition.take(article(1))
    assert partition.take(clock(71)) == []
    (event,) = partition.take(clock(73))
    assert (event.reason, event.status, event.article_count) == ("closed", StoryStatus.CLOSED, 1)
    assert partition.logic.state.shelves.open_articles == 0
    (event,) = partition.take(article(2, hours=73))
    assert event.reason == "created"


def test_growing_keeps_a_story_open() -> None:
    partition = Partition()
    partition.take(article(1), article(2, hours=60))
    assert partition.take(clock(73)) == []
    assert len(partition.take(clock(140))) == 1


def test_an_archive_that_is_replayed_stays_open_for_a_while() -> None:
    partition = Partition()
    partition.take(article(1, hours=-90_000, fetched_hours=0))
    assert partition.take(clock(1)) == []
    (event,) = partition.take(article(2, hours=-89_999, fetched_hours=2))
    assert event.reason == "article_added"
    assert partition.take(clock(7)) == []
    assert [event.reason for event in partition.take(clock(9))] == ["closed"]


def test_a_late_article_reopens_a_story_that_was_open_in_its_time() -> None:
    partition = Partition()
    partition.take(article(1), clock(80))
    (event,) = partition.take(article(2, hours=10, fetched_hours=81))
    assert (event.reason, event.status, event.article_count) == ("reopened", StoryStatus.OPEN, 2)
    (event,) = partition.take(article(3, hours=12, fetched_hours=81))
    assert event.reason == "article_added"
    assert partition.take(clock(86)) == []
    assert [event.reason for event in partition.take(clock(88))] == ["closed"]


def test_what_comes_in_time_does_not_reopen() -> None:
    partition = Partition()
    partition.take(article(1), clock(80))
    (event,) = partition.take(article(2, hours=80))
    assert event.reason == "created"


def test_after_the_window_a_late_article_founds_anew() -> None:
    partition = Partition()
    partition.take(article(1), clock(80), clock(72 + 96 + 1))
    assert partition.logic.state.shelves.index("en", Shelf.CLOSED).held == {}
    (event,) = partition.take(article(2, hours=10, fetched_hours=170))
    assert event.reason == "created"


def test_a_correction_and_a_withdrawal_find_a_closed_story_which_stays_closed() -> None:
    partition = Partition()
    partition.take(article(1), article(2), clock(80), clock(300))
    (event,) = partition.take(article(1, "quake norland toll", version=2, hours=0, fetched_hours=301))
    assert (event.reason, event.status) == ("article_corrected", StoryStatus.CLOSED)
    (event,) = partition.take(article(1, version=3, withdrawn=True))
    assert (event.reason, event.status, event.article_count) == ("article_removed", StoryStatus.CLOSED, 1)


def test_the_machine_does_not_reopen_what_an_editor_closed() -> None:
    partition = Partition()
    partition.take(article(1))
    (event,) = partition.take(command(CommandOp.CLOSE, story_id=partition.story_id(1)))
    assert (event.reason, event.status, event.actor.kind, event.actor.name) == ("closed", StoryStatus.CLOSED, "editor", "ada")
    partition.take(clock(20))
    (event,) = partition.take(article(2, hours=1, fetched_hours=20))
    assert event.reason == "created"


def test_the_clock_never_goes_back() -> None:
    partition = Partition()
    partition.take(clock(50), article(1))
    decision = partition.logic.decide_input(clock(49))
    assert (decision.outputs, decision.changes) == ((), {})


def test_one_strike_closes_no_more_than_it_may_and_the_next_goes_on() -> None:
    partition = Partition(rules(sweep_limit=3))
    partition.take(*(article(number, f"topic{number}", hours=number / 10) for number in range(8)))
    assert [len(partition.take(clock(hours))) for hours in (100, 101, 102, 103)] == [3, 3, 2, 0]


def test_an_old_story_is_forgotten_with_all_that_belongs_to_it() -> None:
    partition = Partition(rules(keep_days=30))
    partition.take(article(1), article(2), article(3, version=4, withdrawn=True), article(4, "other"))
    partition.take(command(CommandOp.SPLIT, story_id=partition.story_id(1), articles=[2]))
    for day in (4, 8, 12, 38):
        assert all(event.reason == "closed" for event in partition.take(clock(24 * day)))
    assert set(partition.changelog) == {"clock"}
    state = partition.logic.state
    assert (state.stories, state.members, state.rosters, state.prints, state.commands) == ({}, {}, {}, {}, {})
    assert len(partition.consumer.stories) == 3, "consumers keep what they have"


def test_a_redirect_is_kept_for_ever() -> None:
    partition = Partition()
    partition.take(article(1), article(2, "other"))
    gone, into = partition.story_id(1), partition.story_id(2)
    partition.take(command(CommandOp.MERGE, story_id=gone, into_story_id=into))
    for day in (4, 8, 60):
        partition.take(clock(24 * day))
    assert set(partition.changelog) == {"clock", f"s:{gone}"}

"""What versions of articles do to stories."""

import pytest

from services.cluster.assign.join import score_of
from shared import ids
from shared.contracts import StoryStatus
from shared.errors import InvalidMessage, Refused
from shared.kafka.decision import SourceRecord
from tests.cluster.assign.made_up import NOON, Partition, article, article_uuid, clock, record_of, rules


@pytest.fixture
def partition() -> Partition:
    return Partition()


def test_an_unlike_article_founds_a_story(partition: Partition) -> None:
    (event,) = partition.take(article(1))
    assert event.reason == "created"
    assert event.story_id == ids.story_id(article_uuid(1), 1)
    assert (event.revision, event.article_count, event.publisher_count, event.headline) == (1, 1, 1, "quake norland")
    assert event.articles_added == (article_uuid(1),)
    assert partition.consumer.members[article_uuid(1)].number == 1


def test_a_like_article_joins_with_the_next_number_and_evidence(partition: Partition) -> None:
    (event,) = partition.take(article(1), article(2))
    assert (event.reason, event.revision, event.article_count, event.publisher_count) == ("article_added", 2, 2, 2)
    assert event.evidence is not None
    assert event.evidence.score == round(score_of([1.0], 1), 4)
    assert event.evidence.nearest == (article_uuid(1),)
    assert event.actor.kind == "machine"
    assert partition.consumer.members[article_uuid(2)].number == 2


def test_another_language_is_another_story(partition: Partition) -> None:
    partition.take(article(1), article(2, language="es"))
    assert partition.story_id(1) != partition.story_id(2)


@pytest.mark.parametrize("version", [1, 2])
def test_a_version_that_was_seen_changes_nothing(partition: Partition, version: int) -> None:
    partition.take(article(1, version=2))
    decision = partition.logic.decide(record_of(article(1, "other words", version=version)))
    assert decision.outputs == ()
    assert decision.changes == {}


def test_a_correction_tells_the_story_and_the_member_anew(partition: Partition) -> None:
    (event,) = partition.take(article(1), article(1, "quake norland velm", version=2))
    assert (event.reason, event.revision, event.articles_changed) == ("article_corrected", 2, (article_uuid(1),))
    assert (event.articles_added, event.articles_removed) == ((), ())
    member = partition.consumer.members[article_uuid(1)]
    assert (member.version, member.number, member.title, member.story_revision) == (2, 1, "quake norland velm", 2)
    assert event.headline == "quake norland velm"


def test_a_corrected_article_is_found_by_its_new_words(partition: Partition) -> None:
    partition.take(article(1), article(1, "flood eastland", version=2), article(2, "flood eastland"), article(3))
    assert partition.story_id(1) == partition.story_id(2)
    assert partition.story_id(1) != partition.story_id(3)


def test_a_withdrawn_article_stays_as_a_member_that_is_not_present(partition: Partition) -> None:
    (event,) = partition.take(article(1), article(2), article(1, version=2, withdrawn=True))
    assert (event.reason, event.article_count, event.articles_removed) == ("article_removed", 1, (article_uuid(1),))
    member = partition.consumer.members[article_uuid(1)]
    assert (member.present, member.number, member.version) == (False, 1, 2)
    assert event.headline == "quake norland"
    assert partition.consumer.story_of(1).headline_article_id == article_uuid(2)


def test_a_republished_article_has_its_number_again(partition: Partition) -> None:
    (event,) = partition.take(article(1), article(2), article(1, version=2, withdrawn=True), article(3), article(1, version=3))
    assert (event.reason, event.article_count, event.articles_added) == ("article_added", 3, (article_uuid(1),))
    assert partition.consumer.members[article_uuid(1)].number == 1
    assert partition.consumer.members[article_uuid(3)].number == 3


def test_a_story_whose_last_article_leaves_is_empty_until_one_comes_back(partition: Partition) -> None:
    (event,) = partition.take(article(1), article(1, version=2, withdrawn=True))
    assert (event.status, event.article_count, event.publisher_count) == (StoryStatus.EMPTY, 0, 0)
    (other,) = partition.take(article(2))
    assert other.story_id != event.story_id, "nothing is compared with a withdrawn article"
    (back,) = partition.take(article(1, version=3))
    assert (back.story_id, back.status, back.article_count) == (event.story_id, StoryStatus.OPEN, 1)


def test_an_article_that_was_withdrawn_before_it_was_seen_is_not_published_by_an_old_version(partition: Partition) -> None:
    assert partition.take(article(1, version=2, withdrawn=True)) == []
    assert partition.take(article(1, version=1)) == []
    (event,) = partition.take(article(1, version=3))
    assert event.reason == "created"


def test_a_second_withdrawal_is_remembered_and_not_told(partition: Partition) -> None:
    assert partition.take(article(1), article(1, version=2, withdrawn=True), article(1, version=3, withdrawn=True)) == []
    assert partition.take(article(1, version=3)) == []


def test_an_article_without_features_has_a_story_of_its_own(partition: Partition) -> None:
    story_input = article(1)
    assert story_input.article is not None
    bare = story_input.model_copy(update={"article": story_input.article.model_copy(update={"features": None})})
    partition.take(bare, article(2))
    assert partition.story_id(1) != partition.story_id(2)


def test_event_time_is_never_later_than_the_fetch(partition: Partition) -> None:
    (event,) = partition.take(article(1, hours=500, fetched_hours=1))
    assert (event.last_published_at - NOON).total_seconds() == 3_600


def test_an_article_without_a_time_keeps_that_of_its_first_fetch(partition: Partition) -> None:
    (event,) = partition.take(article(1, timed=False), article(1, version=2, timed=False, hours=9))
    assert event.last_published_at == NOON


def test_first_and_last_follow_the_present_members(partition: Partition) -> None:
    (event,) = partition.take(article(1, hours=-5), article(2), article(3, hours=2), article(1, version=2, withdrawn=True))
    assert [(at - NOON).total_seconds() / 3_600 for at in (event.first_published_at, event.last_published_at)] == [0, 2]
    (event,) = partition.take(article(3, version=2, withdrawn=True))
    assert (event.last_published_at - NOON).total_seconds() == 0


def test_sister_domains_count_once() -> None:
    partition = Partition()
    (event,) = partition.take(article(1, outlet="bbc.com"), article(2, outlet="bbc.co.uk"), article(3, outlet="lemonde.fr"))
    assert (event.article_count, event.publisher_count) == (3, 2)


WIRE = tuple(range(64))
CUT = (*range(32), *range(900, 932))
"""Half of the signature's places are equal: what a copy has whose second half was cut."""
OWN = tuple(range(2_000, 2_064))


def test_copies_of_a_wire_report_count_once_whatever_their_headlines(partition: Partition) -> None:
    (event,) = partition.take(
        article(1, signature=WIRE, words=200),
        article(2, "quake norland velm", signature=WIRE, words=210),
        article(3, signature=CUT, words=100),
        article(4, signature=OWN, words=200),
    )
    assert (event.article_count, event.publisher_count) == (4, 2)
    groups = [partition.consumer.members[article_uuid(number)].wire_group for number in (1, 2, 3, 4)]
    assert groups == [article_uuid(1), article_uuid(1), article_uuid(1), None]


def test_copies_by_one_owner_are_no_wire_report(partition: Partition) -> None:
    (event,) = partition.take(
        article(1, outlet="bbc.com", signature=WIRE, words=200), article(2, outlet="bbc.co.uk", signature=WIRE, words=200)
    )
    assert event.publisher_count == 1
    (event,) = partition.take(article(3, outlet="bbc.com", signature=OWN, words=200))
    assert event.publisher_count == 1


def test_texts_of_unlike_length_that_share_little_are_no_copies(partition: Partition) -> None:
    some = (*range(8), *range(900, 956))
    (event,) = partition.take(article(1, signature=WIRE, words=200), article(2, signature=some, words=200))
    assert event.publisher_count == 2


def test_a_correction_may_make_a_copy_or_end_it(partition: Partition) -> None:
    (event,) = partition.take(
        article(1, signature=WIRE, words=200), article(2, signature=OWN, words=200), article(2, version=2, signature=WIRE, words=200)
    )
    assert event.publisher_count == 1
    (event,) = partition.take(article(2, version=3, signature=OWN, words=200))
    assert event.publisher_count == 2


def test_a_flood_of_copies_is_indexed_a_few_times_only() -> None:
    partition = Partition(rules(copies_indexed=3))
    for number in range(1, 41):
        (event,) = partition.take(article(number, signature=WIRE, words=200))
    assert (event.article_count, event.publisher_count) == (40, 1)
    assert partition.logic.state.shelves.open_articles == 3


def test_a_story_message_lists_the_newest_hundred() -> None:
    partition = Partition()
    for number in range(1, 131):
        partition.take(article(number))
    assert [ref.number for ref in partition.consumer.story_of(1).members] == list(range(31, 131))


def test_the_headline_is_the_most_central_title_and_stays(partition: Partition) -> None:
    partition.take(article(1, title="Live: latest from around the world"), article(2, title="Strong quake hits Norland's coast, 12 dead"))
    partition.take(article(3, title="Quake off Norland's coast leaves 12 dead"), article(4, title="Norland quake: coast hit, 12 are dead"))
    headline = partition.consumer.story_of(1).headline
    assert headline != "Live: latest from around the world"
    partition.take(article(5, title="Norland mourns its dead after quake hits coast, 12 dead"))
    assert partition.consumer.story_of(1).headline == headline


def test_too_many_open_articles_close_what_grew_least_lately() -> None:
    partition = Partition(rules(open_articles_limit=100))
    for number in range(1, 101):
        partition.take(article(number, f"topic{number}"))
    for number, topic, story in ((1_000, "topic1", 2), (1_001, "topic1001", 3)):
        _, closed = partition.take(article(number, topic))
        assert (closed.reason, closed.story_id) == ("closed", partition.story_id(story))
    partition.take(article(1_002, "topic2"))
    assert partition.story_id(1_002) != partition.story_id(2)
    assert partition.story_id(1_000) == partition.story_id(1)


@pytest.mark.parametrize("value", [None, b"", b"{}", b"[1]", b"\xff", b'{"kind": "article"}'])
def test_what_is_no_input_is_refused(partition: Partition, value: bytes | None) -> None:
    with pytest.raises(InvalidMessage):
        partition.logic.decide(SourceRecord("story_inputs.v1", 3, 0, None, value, 0))


def test_what_is_forgotten_is_refused_as_expired() -> None:
    partition = Partition(rules(keep_days=2))
    partition.take(article(1))
    for hours in (100, 200, 300):
        partition.take(clock(hours))
    assert partition.logic.state.members == {}
    for story_input in (article(1, version=2, fetched_hours=310), article(1)):
        with pytest.raises(Refused) as refused:
            partition.logic.decide(record_of(story_input))
        assert refused.value.reason == "story_expired"
    (event,) = partition.take(article(2, hours=0, fetched_hours=310))
    assert event.reason == "created", "an old article that was never seen is welcome"

"""How the second look's proposals become revisions, and when they don't."""

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

import pytest

from services.cluster.assign.index import Link
from services.cluster.assign.proposals import Merge, Move, Proposal, Split, View
from services.cluster.assign.second_look import bring_home
from shared.contracts import CommandOp, Features
from tests.cluster.assign.made_up import ExactIndex, Partition, article, article_uuid, command, eager_look, rules


class Looker:
    """Proposes what a test tells it to, and keeps what it saw."""

    def __init__(self) -> None:
        self.proposals: list[Proposal] = []
        self.views: list[View] = []

    def __call__(self, view: View) -> Iterable[Proposal]:
        self.views.append(view)
        return self.proposals


@pytest.fixture
def looker() -> Looker:
    return Looker()


@pytest.fixture
def partition(looker: Looker) -> Partition:
    """Articles 1, 2, 3 on a quake, 4 and 5 on a flood; the sixth input is preceded by a look."""
    partition = Partition(rules(second_look_every=5), second_look=looker)
    partition.take(*(article(number) for number in (1, 2, 3)), *(article(number, "flood eastland") for number in (4, 5)))
    return partition


def look(partition: Partition, number: int = 6):
    """Bring the article that a look precedes; give the events of the look."""
    return partition.take(article(number, f"unlike{number}"))[:-1]


def test_it_sees_what_came_since_the_last_one_by_language(partition: Partition, looker: Looker) -> None:
    partition.take(article(6, language="es"))
    assert [view.recent for view in looker.views] == [tuple(article_uuid(number) for number in (1, 2, 3, 4, 5))]
    view = looker.views[0]
    assert view.story_of(article_uuid(2)) == partition.story_id(1)
    assert view.members_of(partition.story_id(1), 2) == [article_uuid(1), article_uuid(2)]
    assert view.size_of(partition.story_id(4)) == 2
    partition.take(*(article(number, "storm") for number in (7, 8, 9, 10)), article(2, version=2), article(11))
    assert [view.recent for view in looker.views][1:] == [
        tuple(article_uuid(number) for number in (7, 8, 9, 10)),
        (article_uuid(6),),
    ]


def test_what_was_seen_brings_no_look(partition: Partition, looker: Looker) -> None:
    partition.take(article(5, "flood eastland"))
    assert looker.views == []


def test_stories_that_grew_alike_merge_into_the_older(partition: Partition, looker: Looker) -> None:
    quake, flood = partition.story_id(1), partition.story_id(4)
    looker.proposals = [Merge(flood, quake, 0.71239, (article_uuid(1),))]
    gone, into = look(partition)
    assert (gone.story_id, gone.redirect_to, gone.reason, into.story_id, into.article_count) == (flood, quake, "merged", quake, 5)
    assert into.evidence is not None
    assert (into.evidence.score, into.evidence.nearest, into.evidence.note) == (0.7124, (article_uuid(1),), "second look")
    assert into.actor.kind == "machine"


def test_an_article_that_fits_better_elsewhere_moves(partition: Partition, looker: Looker) -> None:
    looker.proposals = [Move(article_uuid(3), partition.story_id(4), 0.8)]
    old, new = look(partition)
    assert (old.reason, old.articles_removed) == ("article_moved", (article_uuid(3),))
    assert (new.reason, new.articles_added, new.article_count) == ("article_moved", (article_uuid(3),), 3)


def test_an_article_that_fits_nowhere_leaves(partition: Partition, looker: Looker) -> None:
    looker.proposals = [Move(article_uuid(3), None, 0.2)]
    old, new = look(partition)
    assert (old.reason, new.reason, new.revision, new.article_count) == ("split", "split", 1, 1)


def test_a_story_that_falls_apart_splits(partition: Partition, looker: Looker) -> None:
    looker.proposals = [Split(partition.story_id(1), (article_uuid(2), article_uuid(3)), 0.2)]
    old, new = look(partition)
    assert (old.article_count, new.article_count) == (1, 2)
    assert partition.story_id(2) == partition.story_id(3) == new.story_id


def test_the_last_article_of_a_story_takes_its_id_along(partition: Partition, looker: Looker) -> None:
    look(partition)
    partition.take(*(article(number, "storm") for number in (7, 8, 9, 10)))
    alone = partition.story_id(6)
    looker.proposals = [Move(article_uuid(6), partition.story_id(7), 0.9)]
    gone, into = look(partition, 11)
    assert (gone.redirect_to, into.story_id, into.article_count) == (alone, alone, 5), "the older survives"


def test_an_article_moves_a_few_times_at_most(looker: Looker) -> None:
    partition = Partition(rules(second_look_every=1, machine_moves_limit=2), second_look=looker)
    partition.take(*(article(number) for number in (1, 2, 3)), *(article(number, "flood eastland") for number in (4, 5)))
    there, here = partition.story_id(4), partition.story_id(1)
    moved = []
    for number in (6, 7, 8, 9):
        looker.proposals = [Move(article_uuid(3), there if partition.story_id(3) == here else here, 0.8)]
        moved.append(len(look(partition, number)))
    assert moved == [2, 2, 0, 0]


def test_one_look_repairs_no_more_than_it_may(looker: Looker) -> None:
    partition = Partition(rules(second_look_every=5, second_look_repairs=1), second_look=looker)
    partition.take(*(article(number) for number in (1, 2, 3, 4, 5)))
    looker.proposals = [Move(article_uuid(2), None, 0.2), Move(article_uuid(3), None, 0.2)]
    assert len(look(partition)) == 2


def test_what_an_editor_joined_stays_together(partition: Partition, looker: Looker) -> None:
    quake, flood = partition.story_id(1), partition.story_id(4)
    partition.take(command(CommandOp.MERGE, story_id=flood, into_story_id=quake))
    partition.take(*(article(number, "storm") for number in (6, 7, 8, 9)))
    looker.proposals = [
        Move(article_uuid(5), partition.story_id(6), 0.9),
        Move(article_uuid(4), None, 0.1),
        Split(quake, (article_uuid(5),), 0.1),
    ]
    assert look(partition, 10) == []


def test_what_an_editor_parted_stays_apart(partition: Partition, looker: Looker) -> None:
    quake = partition.story_id(1)
    partition.take(command(CommandOp.SPLIT, story_id=quake, articles=[3]))
    partition.take(*(article(number, "storm") for number in (6, 7, 8, 9)))
    assert partition.story_id(3) != quake
    looker.proposals = [Move(article_uuid(3), quake, 0.9), Merge(partition.story_id(3), quake, 0.9)]
    assert look(partition, 10) == []


def test_a_later_command_overrules_an_earlier_one(partition: Partition, looker: Looker) -> None:
    quake = partition.story_id(1)
    partition.take(command(CommandOp.SPLIT, 1, story_id=quake, articles=[3]))
    partition.take(command(CommandOp.MERGE, 2, story_id=partition.story_id(3), into_story_id=quake))
    assert {tie.kind for tie in partition.logic.state.ties.of(article_uuid(3)).values()} == {"must"}
    partition.take(command(CommandOp.SPLIT, 3, story_id=quake, articles=[3]))
    assert {tie.kind for tie in partition.logic.state.ties.of(article_uuid(3)).values()} == {"cannot"}


@pytest.mark.parametrize(
    "proposal",
    [
        lambda quake, flood: Merge(quake, quake, 0.9),
        lambda quake, flood: Merge(quake, article_uuid(77), 0.9),
        lambda quake, flood: Move(article_uuid(1), quake, 0.9),
        lambda quake, flood: Move(article_uuid(77), quake, 0.9),
        lambda quake, flood: Move(article_uuid(1), article_uuid(77), 0.9),
        lambda quake, flood: Split(quake, (), 0.9),
        lambda quake, flood: Split(quake, (article_uuid(1), article_uuid(2), article_uuid(3)), 0.9),
        lambda quake, flood: Split(quake, (article_uuid(4),), 0.9),
        lambda quake, flood: Split(article_uuid(77), (article_uuid(4),), 0.9),
    ],
)
def test_what_makes_no_sense_is_left(partition: Partition, looker: Looker, proposal) -> None:
    looker.proposals = [proposal(partition.story_id(1), partition.story_id(4))]
    assert look(partition) == []


def test_stories_of_two_languages_never_merge(looker: Looker) -> None:
    partition = Partition(rules(second_look_every=2), second_look=looker)
    partition.take(article(1), article(2, language="es"))
    looker.proposals = [Merge(partition.story_id(1), partition.story_id(2), 0.9)]
    assert look(partition) == []


def test_looks_do_happen_in_the_properties() -> None:
    """The eager look that the properties use makes every kind of repair."""
    partition = Partition(rules(second_look_every=3), second_look=eager_look)
    reasons = set()
    for number in range(1, 40):
        topic = ("quake norland", "quake norland velm", "norland velm dam", "cup", "cup final", "final tennis")[number % 6]
        partition.take(article(number, topic))
        if number % 4 == 0:
            partition.take(article(number, ("flood", "dam", "cup final tennis")[number % 3], version=2))
        reasons |= {update.reason for update in partition.consumer.updates}
    assert reasons == {"created", "article_added", "article_corrected", "article_moved", "merged", "split"}


class ByTable(ExactIndex):
    """Links the articles that a table says, by their titles, as likely as it says."""

    CHANCES: ClassVar = {
        frozenset(("rents fall", "rents rage")): 0.9,
        frozenset(("weld wins pensions", "rents fall")): 0.5,
        frozenset(("weld wins pensions", "rents rage")): 0.3,
        frozenset(("weld wins pensions", "retire at 67")): 0.15,
        frozenset(("weld wins pensions", "pensions passed")): 0.9,
        frozenset(("pensions passed", "retire at 67")): 0.8,
    }

    def links(self, features: Features, event_at: datetime, *, time_known: bool) -> list[Link]:
        asked = " ".join(features.title_terms)
        found = [Link(other, self.CHANCES.get(frozenset((asked, " ".join(held.title_terms))), 0.0)) for other, held in self.held.items()]
        return sorted((link for link in found if link.probability > 0), key=lambda link: -link.probability)


@pytest.fixture
def confused() -> Partition:
    """Let an event's first article, 2, join what resembles it (1, 3), for want of its own story, which begins with 4."""
    partition = Partition(make_index=ByTable, around_look=bring_home)
    partition.take(*(article(number, title) for number, title in enumerate(("rents fall", "weld wins pensions", "rents rage"), 1)))
    partition.take(article(4, "retire at 67"))
    assert partition.story_id(1) == partition.story_id(2) == partition.story_id(3) != partition.story_id(4)
    return partition


def test_an_events_first_article_comes_home_from_a_look_alikes_story(confused: Partition) -> None:
    there, here = confused.story_id(1), confused.story_id(4)
    joined, left, home = confused.take(article(5, "pensions passed"))
    assert (joined.story_id, joined.reason, joined.articles_added) == (here, "article_added", (article_uuid(5),))
    assert (left.story_id, left.reason, left.articles_removed) == (there, "article_moved", (article_uuid(2),))
    assert (home.story_id, home.articles_added, home.article_count) == (here, (article_uuid(2),), 3)
    assert home.evidence is not None
    assert home.evidence.nearest[0] == article_uuid(5)


def test_what_an_editor_moved_is_not_brought_home(confused: Partition) -> None:
    there, here = confused.story_id(1), confused.story_id(4)
    confused.take(command(CommandOp.MOVE, 1, articles=[2], into_story_id=here))
    confused.take(command(CommandOp.MOVE, 2, articles=[2], into_story_id=there))
    [joined] = confused.take(article(5, "pensions passed"))
    assert joined.story_id == here
    assert confused.story_id(2) == there

"""Linking: the same event in other languages, and nothing else; both sides agree, and nothing flaps."""

import random
from datetime import timedelta
from itertools import combinations
from uuid import UUID

import pytest

from deploy.recorded_web.content import body_of, load
from services.cluster.link.follow import Following
from services.cluster.link.profile import cognate, digits
from services.cluster.link.score import number_weight
from shared.contracts import Features, StoryStatus
from tests.cluster.link.events import EVENTS
from tests.cluster.link.made_up import NOON, World, article, features, maker, pair, restarted, story_uuid

TELLINGS = [(event, language) for event, by_language in EVENTS.items() for language in by_language]


def _same_event_pairs() -> set[frozenset[UUID]]:
    return {
        pair(f"{event}:{one}", f"{event}:{other}") for event, by_language in EVENTS.items() for one, other in combinations(by_language, 2)
    }


def _told(order: list[tuple[str, str]], **rules: float) -> World:
    world = World(**rules)
    for event, language in order:
        world.tell(f"{event}:{language}", event, language)
    return world


@pytest.mark.parametrize("seed", range(3))
def test_events_are_linked_across_languages_in_any_order(seed: int) -> None:
    """Of fourteen events in pairs that look alike, told in fourteen languages, hardly a link is wrong and most are found."""
    order = list(TELLINGS)
    random.Random(seed).shuffle(order)
    world = _told(order[: len(order) // 2])
    world.settle()
    for event, language in order[len(order) // 2 :]:
        world.tell(f"{event}:{language}", event, language)
    world.settle()
    found, true = world.pairs(), _same_event_pairs()
    assert len(found & true) >= 0.8 * len(true)
    assert len(found - true) <= 0.03 * len(found)


def test_the_recorded_web_is_linked_as_it_says() -> None:
    """All events of the recorded web that are told in several languages are linked, and no others."""
    world, true = World(), set()
    content = load()
    told: dict[tuple[str, str], list[Features]] = {}
    for story, plan in content.articles():
        language = content.outlet(plan.outlet).language
        told.setdefault((story.name, language), []).append(maker().features(plan.title, "\n".join(body_of(plan, story)), language))
    for (name, language), made in told.items():
        world.tell(f"{name}:{language}", name, language, articles=len(made), made=made)
    true = {pair(f"{one[0]}:{one[1]}", f"{other[0]}:{other[1]}") for one, other in combinations(told, 2) if one[0] == other[0]}
    world.settle()
    found = world.pairs()
    assert not found - true
    assert len(found) >= 0.9 * len(true)


def test_both_sides_say_how_many_articles_the_other_has() -> None:
    world = World()
    english = world.tell("a", "quake-north", "en", articles=3)
    spanish = world.tell("b", "quake-north", "es", articles=2)
    findings = world.round()
    assert {(finding.story_id, finding.other_story_id) for finding in findings} == {(english, spanish), (spanish, english)}
    assert world.links_of(english) == {spanish: 2}
    assert world.links_of(spanish) == {english: 3}


def test_a_size_is_told_again_when_it_has_grown_much() -> None:
    world = World()
    english = world.tell("a", "quake-north", "en", articles=4)
    spanish = world.tell("b", "quake-north", "es", articles=4)
    world.settle()
    world.tell("b", "quake-north", "es", articles=5)
    assert world.round() == []
    world.tell("b", "quake-north", "es", articles=6)
    world.settle()
    assert world.links_of(english) == {spanish: 6}


def test_what_is_so_is_not_found_again() -> None:
    """Neither in the same process, before its stories show it and after, nor in a new one."""
    world = _told(TELLINGS)
    findings = world.decide()
    world.following.ask(findings, world.now)
    for event, language in TELLINGS[:10]:
        world.tell(f"{event}:{language}", event, language)
    assert world.decide() == []
    world = _told(TELLINGS)
    world.settle()
    for order in (list(world.stories), list(world.stories)[::-1]):
        assert restarted(world, order=order).decide(world.now) == []


def test_a_finding_that_no_story_shows_is_made_again() -> None:
    world = World(link_retry_s=60)
    world.tell("a", "quake-north", "en")
    world.tell("b", "quake-north", "es")
    lost = world.decide()
    world.following.ask(lost, world.now)
    world.now += timedelta(seconds=59)
    assert world.decide() == []
    world.now += timedelta(seconds=2)
    assert world.decide() == lost


def test_a_story_that_tells_another_event_now_is_unlinked_and_can_come_back() -> None:
    world = World()
    english = world.tell("a", "quake-north", "en")
    spanish = world.tell("b", "quake-north", "es")
    world.settle()
    world.tell("b", "museum", "es", articles=4, made=[features("museum", "es")] * 4)
    for number in range(4):
        world.following.take_input(article(f"b/{number}", features("museum", "es"), "es", version=2))
    world.following.take_story(world.stories[spanish], 1)
    world.settle()
    assert world.pairs() == set()
    for number in range(4):
        world.following.take_input(article(f"b/{number}", features("quake-north", "es"), "es", version=3))
    world.following.take_story(world.stories[spanish], 1)
    world.settle()
    assert world.links_of(english) == {spanish: 4}


def test_a_link_there_is_outlives_doubt_that_would_make_none() -> None:
    """Between `link_at` less the margin and `link_at` a link stays and none begins."""
    plain = World()
    one, other = plain.tell("a", "strike", "it"), plain.tell("b", "strike", "ko")
    plain.settle()
    assert plain.pairs() == set()
    assert list(plain.following._likeness.pairs_of(one)) == [other]
    generous = World(link_at=-1.0)
    generous.tell("a", "strike", "it")
    generous.tell("b", "strike", "ko")
    generous.settle()
    plain.stories = generous.stories
    plain.inputs = generous.inputs
    assert generous.pairs() == {pair("a", "b")}
    assert restarted(plain).decide(plain.now) == []


def test_of_two_tellings_in_one_language_only_the_better_is_linked_and_a_rival_must_be_better_by_the_margin() -> None:
    world = World()
    english = world.tell("en", "final-one", "en")
    first = world.tell("de1", "final-one", "de")
    world.settle()
    world.tell("de2", "final-one", "de", articles=2)
    world.settle()
    assert set(world.links_of(english)) == {first}


def test_links_follow_a_merge() -> None:
    """The story that is merged away is unlinked, and its survivor linked."""
    world = World()
    english = world.tell("en", "final-one", "en")
    world.tell("de1", "final-one", "de")
    world.settle()
    survivor = world.tell("de2", "final-one", "de", articles=2)
    world.show(
        world.stories[story_uuid("de1")].model_copy(
            update={"status": StoryStatus.MERGED, "redirect_to": survivor, "links": (), "members": (), "article_count": 0}
        )
    )
    world.settle()
    assert world.links_of(english) == {survivor: 2}
    assert world.links_of(survivor) == {english: 1}


def test_a_closed_story_keeps_its_links_and_gets_none() -> None:
    world = World()
    english = world.tell("en", "final-one", "en")
    german = world.tell("de", "final-one", "de")
    world.settle()
    world.tell("de", "final-one", "de", status=StoryStatus.CLOSED)
    world.tell("it", "final-one", "it", status=StoryStatus.CLOSED)
    world.settle()
    assert set(world.links_of(english)) == {german}


def test_stories_further_apart_than_the_window_are_not_the_same_event() -> None:
    world = World()
    world.tell("this year", "final-one", "en", hours=100)
    world.tell("last year", "final-one", "de")
    world.settle()
    assert world.pairs() == set()


def test_features_may_come_after_their_story() -> None:
    world = World()
    english = world.tell("en", "final-one", "en")
    german = world.tell("de", "final-one", "de")
    following = Following(world.rules)
    for story in world.stories.values():
        following.take_story(story, 0)
    assert following.decide(NOON) == []
    for story_input in world.inputs:
        following.take_input(story_input)
    assert {finding.story_id for finding in following.decide(NOON)} == {english, german}


def test_an_unknown_language_and_articles_without_words_link_with_nothing() -> None:
    world = World()
    world.tell("en", "final-one", "en")
    world.tell("und", "final-one", "und", made=[features("final-one", "de")])
    blank = Features(features_version=1)
    damaged = Features(features_version=1, vector="?" * 344, names=("",) * 3, numbers=("٣", "…"))
    world.tell("de", "", "de", articles=2, made=[blank, damaged])
    world.settle()
    assert world.pairs() == set()


def test_a_round_looks_at_a_bounded_number_of_stories_and_the_rest_wait() -> None:
    world = _told(TELLINGS, link_round_limit=10)
    world.decide()
    assert world.following.waiting == len(TELLINGS) - 10


@pytest.mark.parametrize(
    ("name", "expected"),
    [("México", "mexic"), ("Ardovia", "ardov"), ("Тарванеле", "tarva"), ("Łódź", "lodz"), ("ab", None), ("地震", None), ("توسك", None)],
)
def test_names_are_compared_by_their_first_latin_letters(name: str, expected: str | None) -> None:
    assert cognate(name) == expected


@pytest.mark.parametrize(("word", "expected"), [("1,800", "1800"), ("1.800", "1800"), ("6,3", "63"), ("٤٨", "48"), ("two", "")])
def test_numbers_are_compared_by_their_digits(word: str, expected: str) -> None:
    assert digits(word) == expected


def test_a_rarer_number_tells_more() -> None:
    assert number_weight("7") < number_weight("2026") < number_weight("48") < number_weight("187") < number_weight("41000")

"""The index answers by what it holds, within bounds, and tells like from unlike."""

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
import pytest

from services.cluster.assign.index import MAX_LINKS, POSTINGS_BUDGET, SimilarityIndex
from services.cluster.assign.join import choose_story, score_of
from services.cluster.assign.score import FEATURES, MULTILINGUAL, NATIVE
from services.cluster.enrich.features import FeatureMaker
from shared.contracts import Features

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)

PLACES = ("Arvena", "Bellport", "Corvo", "Dunmore", "Eastfold", "Fennick", "Garrow", "Hexby", "Istra", "Jundal")
EVENTS = ("factory fire", "bridge collapse", "ferry strike", "school closure", "tunnel flood", "museum theft")


def told(place: str, event: str, teller: int) -> tuple[str, str]:
    """Tell one event in one of three ways."""
    ways = (
        (
            f"{event.capitalize()} in {place}",
            f"A {event} in {place} on Tuesday left residents waiting for news, officials of {place} said.",
        ),
        (
            f"{place} reels after {event}",
            f"People in {place} spoke of a long night after the {event}. The mayor of {place} promised an inquiry.",
        ),
        (
            f"What we know about the {event} at {place}",
            f"The {event} at {place} began early on Tuesday, according to the fire service of {place}.",
        ),
    )
    return ways[teller % 3]


@pytest.fixture(scope="module")
def stream() -> list[tuple[UUID, Features, datetime, tuple[str, str]]]:
    """Give 180 articles about 60 events, shuffled, an hour apart."""
    maker = FeatureMaker()
    articles = [(place, event, teller) for place in PLACES for event in EVENTS for teller in range(3)]
    random.Random(1).shuffle(articles)
    return [
        (UUID(int=number + 1), maker.features(*told(*article), "en"), NOON + timedelta(minutes=number), article[:2])
        for number, article in enumerate(articles)
    ]


def filled(articles: list[tuple[UUID, Features, datetime, tuple[str, str]]]) -> SimilarityIndex:
    index = SimilarityIndex()
    for article_id, features, event_at, _ in articles:
        index.add(article_id, features, event_at, time_known=True)
    return index


def test_the_best_link_tells_the_same_event(stream: list[tuple[UUID, Features, datetime, tuple[str, str]]]) -> None:
    """Sixty events of six kinds in ten places: the nearest article is nearly always of the same event."""
    index = filled(stream)
    events = {article_id: event for article_id, _, _, event in stream}
    right = sum(events[index.links_of(article_id)[0].article_id] == events[article_id] for article_id in events)
    assert right >= 0.95 * len(stream)


def test_answers_depend_on_what_is_held_alone(stream: list[tuple[UUID, Features, datetime, tuple[str, str]]]) -> None:
    """Another order, articles that came and went, a copy by hand-over: bit for bit the same links."""
    kept, gone, asked = stream[:120], stream[120:160], stream[160:]
    steady = filled(kept)
    shuffled = list(kept)
    random.Random(7).shuffle(shuffled)
    other = filled(gone[:20] + shuffled[:60] + gone[20:] + shuffled[60:])
    for article_id, *_ in gone:
        other.remove(article_id)
    handed = SimilarityIndex()
    for article_id, *_ in shuffled:
        other_links = other.links_of(article_id)
        assert other_links == steady.links_of(article_id)
    for _, features, event_at, _ in asked:
        expected = steady.links(features, event_at, time_known=True)
        assert other.links(features, event_at, time_known=True) == expected
    for article_id, *_ in kept:
        other.hand_over(article_id, handed)
    assert len(other) == 0
    for _, features, event_at, _ in asked:
        assert handed.links(features, event_at, time_known=True) == steady.links(features, event_at, time_known=True)


def test_room_is_reclaimed(stream: list[tuple[UUID, Features, datetime, tuple[str, str]]]) -> None:
    """An index through which many articles pass stays as large as what it holds, and answers the same."""
    index = filled(stream[:40])
    for turn in range(30):
        for article_id, features, event_at, _ in stream[40:140]:
            index.add(UUID(int=article_id.int + 1000 * (turn + 1)), features, event_at, time_known=True)
        for article_id, *_ in stream[40:140]:
            index.remove(UUID(int=article_id.int + 1000 * (turn + 1)))
    assert index.capacity <= 1024
    for _, features, event_at, _ in stream[140:]:
        assert index.links(features, event_at, time_known=True) == filled(stream[:40]).links(features, event_at, time_known=True)


def test_the_same_article_many_times_is_bounded_work(stream: list[tuple[UUID, Features, datetime, tuple[str, str]]]) -> None:
    """Thousands of copies give forty links, and reading them is capped."""
    index = SimilarityIndex()
    features = stream[0][1]
    for number in range(POSTINGS_BUDGET // 2):
        index.add(UUID(int=number + 1), features, NOON, time_known=False)
    links = index.links(features, NOON, time_known=False)
    assert len(links) == MAX_LINKS
    assert links[0].probability > 0.5


def test_days_part_what_words_join(stream: list[tuple[UUID, Features, datetime, tuple[str, str]]]) -> None:
    """The same words a week later are less likely the same event, and a month later never."""
    index = filled(stream[:50])
    article_id, features, event_at, _ = stream[0]
    chances = []
    for days in (0, 3, 7):
        links = index.links(features, event_at + timedelta(days=days), time_known=True)
        chances.append(next(link.probability for link in links if link.article_id == article_id))
    assert chances == sorted(chances, reverse=True)
    assert not index.links(features, event_at + timedelta(days=30), time_known=True)


def test_names_that_neither_shares_part_what_words_and_meaning_join() -> None:
    """One template, other names: apart. An article that names the other's place somewhere, or has no text to name it in, is not punished."""
    maker = FeatureMaker()
    told = "Rescue teams searched the harbour of {0} on Sunday after a ferry ran aground near {0}. Nobody was hurt, the coast guard said."
    made = maker.features("Ferry runs aground near Bellport", told.format("Bellport"), "en")
    chances = {}
    for name, title, text in (
        ("same", "Ferry runs aground near Bellport", told.format("Bellport")),
        ("mentions", "Ferry runs aground off the coast", told.format("Bellport")),
        ("other", "Ferry runs aground near Quillhaven", told.format("Quillhaven")),
        ("title alone", "Ferry runs aground near Quillhaven", ""),
    ):
        index = SimilarityIndex("en")
        index.add(UUID(int=1), maker.features(title, text, "en"), NOON, time_known=True)
        chances[name] = next((link.probability for link in index.links(made, NOON, time_known=True)), 0.0)
    assert chances["same"] > chances["mentions"] > chances["other"]
    assert chances["other"] < 0.5 * chances["mentions"]
    assert chances["title alone"] > chances["other"]


def test_an_article_without_words_has_no_links() -> None:
    """Nothing can be said of an empty article."""
    index = SimilarityIndex()
    empty = Features(features_version=1)
    index.add(UUID(int=1), empty, NOON, time_known=True)
    assert index.links(empty, NOON, time_known=True) == []
    index.remove(UUID(int=1))
    index.remove(UUID(int=1))
    assert len(index) == 0


def test_more_likeness_never_lowers_the_probability() -> None:
    """The model is monotone by its signs."""
    for model in (MULTILINGUAL, *NATIVE.values()):
        assert len(model.weights) == len(FEATURES)
        assert np.all(model.weights >= 0)


def test_a_story_is_chosen_by_its_best_voices() -> None:
    """Two fair links outweigh one; what no story claims is passed over; too little founds a new story."""
    from services.cluster.assign.index import Link

    one, two = UUID(int=101), UUID(int=102)
    stories = {UUID(int=1): one, UUID(int=2): two, UUID(int=3): two}
    links = [Link(UUID(int=1), 0.6), Link(UUID(int=2), 0.59), Link(UUID(int=3), 0.58), Link(UUID(int=4), 0.3)]
    sizes = {one: 1, two: 2}.__getitem__
    assert choose_story(links, stories.get, sizes).story_id == two
    assert choose_story([Link(UUID(int=1), 0.05)], stories.get, sizes).story_id is None
    assert choose_story(links, lambda _: None, sizes).nearest == ()


def test_a_story_of_which_few_members_tell_is_less_likely() -> None:
    """The same voices say less in a story most of whose members are unlike the article; links that are too weak tell nothing."""
    assert score_of([0.6, 0.5], 2) > score_of([0.6, 0.5], 6) > score_of([0.6], 6)
    assert score_of([0.6, 0.001], 2) < score_of([0.6, 0.5], 2)
    assert score_of([0.6] * 40, 40) == score_of([0.6] * 20, 400)


def test_english_is_compared_by_its_own_encoders_vectors() -> None:
    """Two articles of equal words are as near as their vectors say: in English the native ones, elsewhere the multilingual."""
    maker = FeatureMaker()
    made = maker.features("Ferry rams pier at Bellport", "", "en")
    assert made.native_vector is not None
    assert maker.features("Fähre rammt Pier", "", "de").native_vector is None
    other = made.model_copy(update={"native_vector": maker.features("Budget clears parliament", "", "en").native_vector})
    for language, kept in (("en", False), ("und", True)):
        index = SimilarityIndex(language)
        index.add(UUID(int=1), other, NOON, time_known=True)
        itself = SimilarityIndex(language)
        itself.add(UUID(int=1), made, NOON, time_known=True)
        [link], [same] = index.links(made, NOON, time_known=True), itself.links(made, NOON, time_known=True)
        assert (link.probability == same.probability) is kept

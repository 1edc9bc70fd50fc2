"""The state machine around the real index and the real features: restarts leave no trace."""

import random
from collections.abc import Iterator, Sequence
from datetime import timedelta
from zlib import crc32

import numpy as np

from services.cluster.assign.decide import AssignLogic
from services.cluster.assign.index import SimilarityIndex
from services.cluster.assign.second_look import bring_home, propose
from services.cluster.enrich.features import FeatureMaker
from shared.contracts import StoryInput
from tests.cluster.assign.made_up import NOON, Partition, article, clock, rules

ARTICLES = 500
WORDS = [
    f"{start}{middle}{end}"
    for start in ("bor", "kel", "mar", "tin", "vas")
    for middle in ("a", "e", "i", "o", "u", "ia", "ue", "ei", "au", "io", "oa", "ai")
    for end in ("dun", "lek", "ra", "st", "vik")
]


class Encoder:
    """Stands for the sentence encoder: a vector from the words themselves, and a rarity for each form of a word."""

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> np.ndarray:
        total = sum((np.random.default_rng(crc32(word.encode())).normal(size=256) for word in text.lower().split()), np.zeros(256))
        return np.clip(np.rint(total * 256 / max(np.linalg.norm(total), 1e-6)), -127, 127).astype(np.int8)

    def rarity(self, word: str) -> float:
        return 3 + crc32(word.encode()) % 4_000 / 1_000


def stream() -> Iterator[StoryInput]:
    """Give articles on 25 events that share half of their words with another, some withdrawn or corrected later, and the clock."""
    maker, chance = FeatureMaker(Encoder()), random.Random(7)
    events = [random.Random(event // 2).sample(WORDS, 20) + random.Random(1_000 + event).sample(WORDS, 20) for event in range(25)]
    hours = 0.0
    for number in range(ARTICLES):
        hours += 0.4
        target = chance.randrange(max(1, number)) if chance.random() < 0.15 else number
        words = [word + chance.choice(("", "es", "os")) for word in chance.sample(events[chance.randrange(25)], 26)]
        version = 1 if target == number else number + 2
        made = article(
            target,
            version=version,
            withdrawn=version > 1 and chance.random() < 0.4,
            hours=hours,
            timed=chance.random() < 0.9,
            language="es",
        )
        assert made.article is not None
        title, text = " ".join(words[:7]), ". ".join(" ".join(words[place:] + chance.sample(WORDS, 4)) for place in range(7, 20, 4))
        features = None if made.article.features is None else maker.features(title, text, "es")
        yield made.model_copy(update={"article": made.article.model_copy(update={"title": title, "features": features})})
        if number % 40 == 39:
            yield clock(hours)


def test_a_restart_anywhere_leaves_no_trace() -> None:
    steady, restarted = (Partition(rules(second_look_every=20), SimilarityIndex, propose, bring_home) for _ in range(2))
    for place, story_input in enumerate(stream()):
        if place % 61 == 60:
            restarted.restart()
        steady.take(story_input)
        restarted.take(story_input)
    assert len(steady.consumer.stories) > 20
    assert {"merged", "article_added", "article_corrected", "article_removed", "closed"} <= {
        event.reason for event in steady.consumer.updates
    }
    assert restarted.bytes == steady.bytes
    assert restarted.changelog == steady.changelog


def test_a_standby_that_takes_over_leaves_no_trace() -> None:
    steady, owned = (Partition(rules(second_look_every=20), SimilarityIndex, propose, bring_home) for _ in range(2))
    standby = AssignLogic(3, owned.rules, **owned.parts)
    standby.restored()
    for place, story_input in enumerate(stream()):
        if place % 61 == 60:
            owned.followed_by(standby)
            owned.logic, standby = standby, owned.logic
        elif place % 7 == 6:
            owned.followed_by(standby)
        steady.take(story_input)
        owned.take(story_input)
    assert owned.bytes == steady.bytes
    assert owned.changelog == steady.changelog


def test_an_index_that_was_filled_again_answers_the_same_to_the_last_bit() -> None:
    partition = Partition(rules(), SimilarityIndex)
    for story_input in stream():
        partition.take(story_input)
    before = partition.logic.state.shelves.index("es")
    partition.restart()
    after = partition.logic.state.shelves.index("es")
    maker, chance = FeatureMaker(Encoder()), random.Random(3)
    for _ in range(30):
        features = maker.features(" ".join(chance.sample(WORDS, 7)), " ".join(chance.sample(WORDS, 40)), "es")
        at = NOON + timedelta(hours=200)
        assert before.links(features, at, time_known=True) == after.links(features, at, time_known=True)

"""Near-copies told from independent reports, by the signatures that enrich makes."""

import random
from uuid import UUID

import pytest

from services.cluster.assign.sources import Sources
from services.cluster.assign.wire import containment, print_of
from services.cluster.enrich.features import FeatureMaker
from tests.cluster.assign.test_real_index import WORDS, Encoder

MAKER = FeatureMaker(Encoder())


def sentences(seed: int, count: int) -> list[str]:
    chance = random.Random(seed)
    return [" ".join(chance.choices(WORDS, k=14)).capitalize() + "." for _ in range(count)]


def held(one: list[str], other: list[str]) -> float:
    prints = [print_of(MAKER.features(f"Headline {place}", " ".join(text), "en")) for place, text in enumerate((one, other))]
    assert None not in prints
    return containment(*prints)


REPORT = sentences(1, 18)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text, own: text, id="another headline"),
        pytest.param(lambda text, own: text[:8], id="cut by more than half"),
        pytest.param(lambda text, own: own[:3] + text, id="lines added before"),
        pytest.param(lambda text, own: text + own[:6], id="lines added after"),
        pytest.param(lambda text, own: own[:1] + text[:5] + own[1:2] + text[7:12], id="cut and added within"),
    ],
)
def test_a_copy_is_known_however_it_was_edited(change, seed: int) -> None:
    report = sentences(100 + seed, 18)
    assert held(report, change(report, sentences(200 + seed, 18))) > 0


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("quoted", [0, 2, 4])
def test_a_report_of_its_own_is_no_copy_though_it_quotes_the_same(quoted: int, seed: int) -> None:
    report, own = sentences(100 + seed, 18), sentences(300 + seed, 18)
    assert held(report, report[4 : 4 + quoted] + own[quoted:]) == 0


def test_short_texts_are_copies_only_of_their_like() -> None:
    assert held(REPORT[:1], REPORT[:1]) == 1.0
    assert held(REPORT[:1], REPORT[:4]) == 0


def test_no_text_has_no_print_that_others_could_share() -> None:
    assert print_of(MAKER.features("", "", "en")) is None


def test_outlets_that_carry_many_wire_reports_are_no_more_than_outlets() -> None:
    """Three owners with ten reports that all carry are three sources, and again one each as they go."""
    sources, owners = Sources(), ("one.example", "two.example", "three.example")
    members = [(owner, UUID(int=group)) for group in range(10) for owner in owners]
    for member in members:
        sources.add(*member)
    assert sources.count == 3
    for owner, group in members:
        if owner != "one.example":
            sources.discard(owner, group)
    assert sources.count == 1
    for _, group in members[::3]:
        sources.discard("one.example", group)
    assert sources.count == 0

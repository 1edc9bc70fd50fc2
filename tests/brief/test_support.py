"""A citation holds only where the article states the whole sentence."""

import pytest

from services.publish.brief.support import Fault, check, find_evidence
from tests.brief.made_up import LABELLED, labelled_pairs, reading

PRECISION = 0.97
RECALL = {
    "labelled.toml": 0.85,
    "labelled_wire.toml": 0.93,
    "labelled_second.toml": 0.85,
    "labelled_retold.toml": 0.73,
    "labelled_mixed.toml": 0.82,
    "labelled_last.toml": 0.71,
}
"""Free retelling is found less often than what was edited."""
CONTEXT = "In the end Marsh, Okoro, Tarrant, Vass and Voss went home."
"""Shows whose names the short texts have."""


def states(sentence: str, article: str, language: str = "en") -> bool:
    marks = reading(sentence, language=language).body[0].marks
    return find_evidence(marks, reading(article, language=language)) is not None


def fault(sentence: str, passage: str) -> Fault | None:
    marks = reading(f"{sentence} {CONTEXT}").body[0].marks
    article = reading(f"{passage} {CONTEXT}")
    core = article.body[0].marks
    return check(marks, [core], article, [], core)[1]


def judged(file: str) -> tuple[list[str], list[str], int]:
    """Give the pairs of a labelled file that are cited wrongly, those that are missed, and how many are cited rightly."""
    wrong, missed, right = [], [], 0
    for pair in labelled_pairs(file):
        cited = find_evidence(pair.statement.marks, pair.article) is not None
        if cited and not pair.states:
            wrong.append(pair.name)
        elif pair.states and not cited:
            missed.append(pair.name)
        right += cited and pair.states
    return wrong, missed, right


def test_labelled_pairs_are_judged_as_a_reader_judged_them() -> None:
    wrong: list[str] = []
    right = 0
    for file, recall in RECALL.items():
        cited_wrongly, missed, cited_rightly = judged(file)
        assert cited_rightly >= recall * (cited_rightly + len(missed)), (file, missed)
        wrong += cited_wrongly
        right += cited_rightly
    assert right >= PRECISION * (right + len(wrong)), wrong


def test_there_are_enough_labelled_pairs() -> None:
    assert sum(1 for file in LABELLED for _ in labelled_pairs(file)) >= 300


def test_a_paraphrase_with_the_same_facts_is_stated() -> None:
    assert states(
        "At least 14 people died when a quake of magnitude 6.1 hit the Talmar valley.",
        "A magnitude 6.1 earthquake struck the Talmar valley, killing at least 14 people.",
    )


def test_names_that_say_who_someone_is_may_stand_elsewhere() -> None:
    assert states(
        "President Helio Marsh of Arden asked Quill to release 31 fishermen.",
        "Arden's president, Helio Marsh, met reporters in Norhaven. Marsh asked Quill to release 31 fishermen.",
    )


@pytest.mark.parametrize(
    ("sentence", "article"),
    [
        ("The United States sued Corvane over the Talmar dam.", "The US sued Corvane over the Talmar dam."),
        ("Ørlund said that the Talmar dam would be closed.", "Orlund said that the Talmar dam would be closed."),
        ("Envoys of East Timor visited the Talmar dam.", "Envoys of Timor-Leste visited the Talmar dam."),
        (
            "Helio Marsh said the Talmar dam was a gift.",
            "President Helio Marsh visited Oru. The Talmar dam was a gift, the president said.",
        ),
        ("Police closed the Talmar dam on Monday.", "Police closed the Talmar dam on Monday, the report said."),
        ("The Harbour Board said the dam was safe.", "The Harbour Board (HBT) said the dam was safe."),
    ],
)
def test_names_and_speakers_are_written_in_several_ways(sentence: str, article: str) -> None:
    assert states(sentence, article)


def test_a_title_is_told_on_by_the_first_sentence() -> None:
    marks = reading("The ferry Aurora ran aground off Marrow Island with 212 people on board.").body[0].marks
    told = reading("It ran aground in fog with 212 people on board, off Marrow Island.", title="Ferry Aurora runs aground")
    assert find_evidence(marks, told) is not None


@pytest.mark.parametrize(
    ("sentence", "passage", "expected"),
    [
        ("The quake killed 14 people in the Talmar valley.", "The quake killed 19 people in the Talmar valley.", Fault.NUMBERS),
        ("The blast killed 12 and wounded 30 in Oru.", "The blast killed 30 and wounded 12 in Oru.", Fault.NUMBERS),
        ("Corvane's shares fell 4% in Dunmore.", "Corvane's shares rose 4% in Dunmore.", Fault.NUMBERS),
        ("Marsh visited the port of Helsund on Monday.", "Marsh visited the port of Helsund on Thursday.", Fault.DAYS),
        ("Northway Lines suspended its freight service.", "Northway Lines did not suspend its freight service.", Fault.NEGATION),
        ("Northway Lines did not suspend its freight service.", "Northway Lines suspended its freight service.", Fault.NEGATION),
        (
            "Tarrant failed to consult the Ketu about the mine.",
            "Tarrant denied that it failed to consult the Ketu about the mine.",
            Fault.TURN,
        ),
        ("The mine poisoned the river in Norwell.", "The mine may have poisoned the river in Norwell.", Fault.TURN),
        ("Vass called the ruling “a gift to our enemies”.", "Vass called the ruling a mistake and a burden.", Fault.TERMS),
        ("Voss said the ministry had paid “no ransom at all”.", "Voss said the ministry had paid no ransom.", Fault.QUOTATION),
        ("Marsh invited Okoro to a summit.", "Okoro invited Marsh to a summit.", Fault.ORDER),
        (
            "The crossing is the longest bridge in Arden.",
            "The crossing is the longest tunnel and a bridge in Arden.",
            Fault.SUPERLATIVE,
        ),
    ],
)
def test_what_is_missing_or_contradicted_is_named(sentence: str, passage: str, expected: Fault) -> None:
    assert fault(sentence, passage) == expected


@pytest.mark.parametrize(
    ("sentence", "passage"),
    [
        ("Lind said the dam above Kesh was safe.", "Haddix said the dam above Kesh was safe."),
        ("The dam above Kesh is a death trap.", "Critics said the dam above Kesh is a death trap."),
        ("Police said the dam above Kesh was safe.", "The dam above Kesh was safe."),
    ],
)
def test_who_said_it_is_kept(sentence: str, passage: str) -> None:
    assert not states(sentence, passage)


def test_a_detail_that_is_missing_is_not_stated() -> None:
    assert not states(
        "Opposition leader Marek Dunn called on Sorel to resign and demanded early elections.",
        "Opposition leader Marek Dunn called on Sorel to resign.",
    )


def test_weekdays_are_compared_as_dates() -> None:
    assert states("Marsh visited Helsund on Tuesday.", "Marsh visited Helsund on March 10.")


def test_words_that_stand_for_each_other_are_told_from_those_that_do_not() -> None:
    assert states(
        "Burglars stole four paintings from the Lindau museum on Sunday.",
        "On Sunday four artworks were taken from the Lindau museum by thieves.",
    )
    assert not states("Vass no longer says that its technicians found a leak.", "Vass said its technicians found a leak.")
    assert not states("Both parliaments in Veldra must still approve the deal.", "Parliament in Veldra approved the deal.")
    assert not states("The Aurora carried 29 cars to Oru.", "The Aurora carried 29 people to Oru.")


def test_a_plan_is_a_future_and_half_is_fifty_percent() -> None:
    assert states("Volta plans to close its plant in Brenn in 2027.", "Volta will shut its plant in Brenn in 2027.")
    assert states("The Brenn plant lost half of its 800 workers.", "The Brenn plant lost 50% of its 800 workers.")


def test_number_words_and_scales_are_numbers() -> None:
    assert states("The army sent 300 soldiers to the Talmar valley.", "The army sent three hundred soldiers to the Talmar valley.")
    assert states("Corvane paid $4.2 billion for Halden Foods.", "Corvane paid $4.2bn for Halden Foods.")
    assert states("El fuego quemó 1.200 hectáreas en Valdorra.", "En Valdorra el fuego quemó 1200 hectáreas.", "es")

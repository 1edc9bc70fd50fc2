"""Sentences are split as a reader would, and what is not part of the report is left out."""

import pytest

from services.publish.brief.split import is_boilerplate, split


def sentences(text: str, language: str = "en") -> list[str]:
    return [piece.text for piece in split(text, language)]


def test_abbreviations_initials_and_decimals_do_not_end_a_sentence() -> None:
    text = "Dr. A. B. Marsh of the U.S. Navy paid $1.5 million on Jan. 5. Gen. Oro did not."
    assert sentences(text) == ["Dr. A. B. Marsh of the U.S. Navy paid $1.5 million on Jan. 5.", "Gen. Oro did not."]


def test_a_quotation_of_several_sentences_stays_with_its_speaker() -> None:
    text = "“We waited. Nobody came,” said Ines Calder. The ferry had left."
    assert sentences(text) == ["“We waited. Nobody came,” said Ines Calder.", "The ferry had left."]


def test_a_quotation_that_is_never_closed_is_not_whole() -> None:
    assert [piece.whole for piece in split("“The channel has not been dredged. Everyone knows it.", "en")] == [False]


def test_a_hard_wrapped_text_is_joined() -> None:
    assert sentences("The court in Norwell\nblocked the mine\non Thursday.") == ["The court in Norwell blocked the mine on Thursday."]


@pytest.mark.parametrize(
    "line",
    [
        "PORT ELLERY (NPA) — The ferry ran aground in thick fog off Marrow Island.",
        "PORT ELLERY: The ferry ran aground in thick fog off Marrow Island.",
        "(NPA) - The ferry ran aground in thick fog off Marrow Island.",
        "Port Ellery, March 11: The ferry ran aground in thick fog off Marrow Island.",
        "March 11, 2026:The ferry ran aground in thick fog off Marrow Island.",
    ],
)
def test_a_dateline_is_cut(line: str) -> None:
    assert sentences(line) == ["The ferry ran aground in thick fog off Marrow Island."]


@pytest.mark.parametrize("lead", ["However, the", "Meanwhile, the", "But the", "Why it matters: The"])
def test_an_opening_that_joins_is_cut(lead: str) -> None:
    assert sentences(f"{lead} ferry ran aground off Marrow Island.") == ["The ferry ran aground off Marrow Island."]


@pytest.mark.parametrize(
    "text",
    [
        "Subscribe now to our free newsletter.",
        "Click here to read more.",
        "Copyright 2026 The Harbour Post. All rights reserved.",
        "Photo by Jan Holm/Reuters",
        "Ines Calder is seen in this police booking photograph taken in Port Ellery.",
        "Note #2: Breck is on the ballot in all states.",
        "Editing by Ines Calder and Tom Breck",
        "Read more: Ferry runs aground",
        "Follow us on Facebook for breaking news and updates.",
        "President Marsh speaks in Norhaven, Friday, Aug. 22, 2025, before the summit.",
        "Contact the author at news@harbourpost.example",
        "Suscríbete a nuestro boletín de noticias",
        "Lesen Sie auch: Fähre auf Grund gelaufen",
        "未经许可不得转载",
    ],
)
def test_what_belongs_to_the_page_is_left_out(text: str) -> None:
    assert is_boilerplate(text)
    assert sentences(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "The union asked members to sign a petition for free transport.",
        "Police published a photograph of the suspect on Tuesday.",
        "Readers of the newspaper reported the error to the council.",
        "The minister said that the right to vote was at risk.",
        "The Federal Harbour Commission (FHC) has approved a settlement with Skerrow Line.",
    ],
)
def test_a_report_that_uses_such_words_stays(text: str) -> None:
    assert sentences(text) == [text]


def test_chinese_japanese_and_arabic_are_split() -> None:
    assert sentences("渡轮在大雾中搁浅。九人受轻伤。", "zh") == ["渡轮在大雾中搁浅。", "九人受轻伤。"]
    assert sentences("フェリーが霧の中で座礁した。9人がけがをした。", "ja") == ["フェリーが霧の中で座礁した。", "9人がけがをした。"]
    assert len(sentences("جنحت العبارة في الضباب. وأصيب تسعة ركاب.", "ar")) == 2


def test_a_language_without_rules_is_split_all_the_same() -> None:
    assert sentences("Aa bb cc. Dd ee ff.", "und") == ["Aa bb cc.", "Dd ee ff."]


def test_a_huge_text_is_read_in_part() -> None:
    assert len(split("The ferry ran aground off the island. " * 50_000, "en")) == 150

"""A story's brief: sections, citations, order, languages, and what changes with its articles."""

import random

import pytest

from services.publish.brief.audit import audit, find_heading_flaw
from services.publish.brief.compose import compose
from services.publish.brief.cut import cut_headings
from services.publish.brief.limits import Limits
from services.publish.brief.source import Source
from services.publish.brief.words import letters_only
from tests.brief.made_up import LABELLED, citations, labelled_stories, reading, source, story, texts

WIRE = """
A court in Norwell on Thursday blocked a copper mine that Tarrant Resources had planned in the Ashen valley.
Judge Miriam Sole said that the permit issued in 2024 was invalid, because Tarrant had not consulted the Ketu people.
Tarrant Resources said it would appeal against the ruling of the court in Norwell.
Ketu chief Daniel Oro said that the valley "is not for sale, today or ever".
The mine would have created 1,200 jobs in the Ashen valley, according to Tarrant Resources.
"""
OWN = """
Tarrant Resources has lost its fight for a copper mine in the Ashen valley, where the Ketu people have lived for centuries.
Analysts at Brandt & Co said that the ruling could delay other mines across the region for years.
Shares in Tarrant Resources lost 22% on Thursday, their steepest fall since 2015.
Governor Alan Pryor called the ruling a blow to the economy of Norwell.
In 2019 a dam at another Tarrant mine burst and killed 31 people in the village of Kesh.
"""


def norwell() -> list[Source]:
    return [
        source(1, "Norwell court blocks mine in Ashen valley", WIRE),
        source(
            2,
            "Court in Norwell stops Tarrant mine",
            WIRE.replace("\nTarrant Resources said it would appeal against the ruling of the court in Norwell.", ""),
        ),
        source(4, "Tarrant loses fight for Ashen mine", OWN),
        source(7, "Mine blocked, says Norwell court", WIRE),
    ]


def test_every_labelled_story_gets_a_sound_brief() -> None:
    for file in LABELLED:
        for _, sources in labelled_stories(file):
            brief = compose(story(sources), sources)
            assert brief.sections
            assert audit(brief, sources) == []


def test_near_copies_all_cite_and_only_what_they_have() -> None:
    brief = compose(story(norwell()), norwell())
    assert citations(brief, "A court in Norwell on Thursday blocked") == (1, 2, 7)
    for section in brief.sections:
        for sentence in section.sentences:
            having = {each.number for each in norwell() if sentence.text in each.text}
            assert not having or set(sentence.citations) == having
    shortened = [each if each.number != 2 else source(2, each.title, each.text.split("\n")[2]) for each in norwell()]
    assert citations(compose(story(shortened), shortened), "A court in Norwell on Thursday blocked") == (1, 7)


def test_sections_go_from_what_happened_to_wider_matters() -> None:
    brief = compose(story(norwell()), norwell())
    assert len(brief.sections) >= 2
    assert "blocked" in brief.sections[0].sentences[0].text
    order = [place for place, section in enumerate(brief.sections) for s in section.sentences if s.text.startswith(("A court", "In 2019"))]
    assert order == sorted(order)


def test_a_withdrawn_articles_sentences_disappear_and_numbers_stay() -> None:
    kept = [each for each in norwell() if each.number != 4]
    brief = compose(story(kept), kept)
    assert {number for section in brief.sections for s in section.sentences for number in s.citations} <= {1, 2, 7}
    assert not any("22%" in text for text in texts(brief))
    assert citations(brief, "A court in Norwell on Thursday blocked") == (1, 2, 7)


def test_a_correction_changes_its_sentences_and_is_told() -> None:
    before = norwell()
    changed = source(4, before[2].title, OWN.replace("lost 22%", "lost 12%"), version=2)
    after = [before[0], before[1], changed, before[3]]
    assert not compose(story(before), before).corrected
    brief = compose(story(after), after)
    assert brief.corrected
    assert not any("22%" in text for text in texts(brief))


def test_the_order_of_articles_does_not_matter() -> None:
    sources = norwell()
    first = compose(story(sources), sources)
    for seed in range(5):
        shuffled = random.Random(seed).sample(sources, len(sources))
        assert compose(story(sources), shuffled).to_bytes() == first.to_bytes()


def test_one_article_gets_a_short_brief() -> None:
    only = [norwell()[0]]
    brief = compose(story(only), only)
    assert 1 <= len(texts(brief)) <= 4
    assert all(s.citations == (1,) for section in brief.sections for s in section.sentences)


def test_no_text_gives_no_sections() -> None:
    titles = [source(1, "Norwell court blocks mine", ""), source(2, "Mine blocked", "")]
    assert compose(story(titles), titles).sections == ()
    assert compose(story([]), []).sections == ()


def test_nothing_is_said_twice_and_no_heading_repeats_the_headline() -> None:
    brief = compose(story(norwell()), norwell())
    said = [letters_only(text) for text in texts(brief)]
    assert len(said) == len(set(said))
    headings = [letters_only(section.heading) for section in brief.sections]
    assert len(headings) == len(set(headings))
    assert letters_only("Norwell court blocks mine in Ashen valley") not in headings


def test_an_articles_last_clause_is_cut_where_more_articles_state_the_rest() -> None:
    sources = [
        source(
            1,
            "Bill passes in Karstad",
            "The pension bill was passed by 83 votes to 76 in Karstad, and ministers embraced on the steps of parliament.",
        ),
        source(
            2,
            "Pension bill through",
            "In Karstad the pension bill was passed by 83 votes to 76. Unions announced a strike for the first week of May.",
        ),
    ]
    brief = compose(story(sources), sources)
    assert citations(brief, "The pension bill was passed by 83 votes to 76") == (1, 2)


def test_limits_are_kept() -> None:
    limits = Limits(sections=2, sentences_a_section=2, sentences=3)
    brief = compose(story(norwell()), norwell(), limits)
    assert len(brief.sections) <= 2
    assert len(texts(brief)) <= 4


@pytest.mark.parametrize(
    ("language", "title", "first", "second"),
    [
        (
            "es",
            "Cierran el puente de Valdorra por grietas",
            "El puente de Valdorra fue cerrado el miércoles por grietas en el hormigón. La ministra Marta Rovira dijo que el cierre durará seis semanas.",
            "El puente de Valdorra fue cerrado el miércoles por grietas en el hormigón. Los comerciantes temen pérdidas de 3 millones de euros.",
        ),
        (
            "de",
            "Brücke bei Lohrstadt gesperrt",
            "Die Brücke bei Lohrstadt wurde am Mittwoch wegen mehrerer Risse im Beton gesperrt. Ministerin Karin Holtz sagte, die Sperrung dauere sechs Wochen.",
            "Die Brücke bei Lohrstadt wurde am Mittwoch wegen mehrerer Risse im Beton gesperrt. Händler in Lohrstadt fürchten Verluste von 3 Millionen Euro.",
        ),
        (
            "fr",
            "Le pont de Saurive fermé",
            "Le pont de Saurive a été fermé mercredi à cause de fissures dans le béton. La ministre Sophie Arnal a déclaré que la fermeture durerait six semaines.",
            "Le pont de Saurive a été fermé mercredi à cause de fissures dans le béton. Les commerçants de Saurive craignent des pertes de 3 millions d'euros.",
        ),
        (
            "it",
            "Chiuso il ponte di Valdora",
            "Il ponte di Valdora è stato chiuso mercoledì per le crepe nel cemento. La ministra Marta Rovi ha detto che la chiusura durerà sei settimane.",
            "Il ponte di Valdora è stato chiuso mercoledì per le crepe nel cemento. I commercianti di Valdora temono perdite di 3 milioni di euro.",
        ),
        (
            "pt",
            "Ponte de Itarema fechada",
            "A ponte de Itarema foi fechada na quarta-feira por causa de rachaduras no concreto. O ministro Paulo Sena disse que a obra vai durar seis semanas.",
            "A ponte de Itarema foi fechada na quarta-feira por causa de rachaduras no concreto. Os comerciantes de Itarema temem perdas de 3 milhões de reais.",
        ),
        (
            "nl",
            "Brug bij Lohrstad dicht",
            "De brug bij Lohrstad werd woensdag gesloten vanwege scheuren in het beton. Minister Karin Holtz zei dat de sluiting zes weken zal duren.",
            "De brug bij Lohrstad werd woensdag gesloten vanwege scheuren in het beton. Winkeliers in Lohrstad vrezen een verlies van 3 miljoen euro.",
        ),
        (
            "ru",
            "Мост в Северогорске закрыли",
            "Мост в Северогорске закрыли в среду из-за трещин в бетонных опорах. Мэр Анна Белова заявила, что ремонт займёт шесть недель.",
            "Мост в Северогорске закрыли в среду из-за трещин в бетонных опорах. Торговцы Северогорска опасаются убытков в 3 миллиона рублей.",
        ),
        (
            "zh",
            "大桥因裂缝关闭",
            "北港大桥因混凝土出现多条裂缝于星期三关闭。交通部长李文说封闭将持续六个星期。",
            "北港大桥因混凝土出现多条裂缝于星期三关闭。当地商户担心损失超过三百万元。",
        ),
        (
            "ja",
            "北港大橋が通行止め",
            "北港大橋はコンクリートに複数の亀裂が見つかったため水曜日に通行止めとなった。国土交通大臣は封鎖が六週間続くと述べた。",
            "北港大橋はコンクリートに複数の亀裂が見つかったため水曜日に通行止めとなった。地元の商店街は三百万円の損失を心配している。",
        ),
        (
            "ko",
            "북항대교 통행 중단",
            "북항대교는 콘크리트에서 여러 균열이 발견되어 수요일 통행이 전면 중단됐다. 교통부 장관은 폐쇄가 여섯 주 동안 계속될 것이라고 말했다.",
            "북항대교는 콘크리트에서 여러 균열이 발견되어 수요일 통행이 전면 중단됐다. 지역 상인들은 큰 손실을 걱정하고 있다.",
        ),
        (
            "ar",
            "إغلاق جسر الميناء",
            "أغلق جسر الميناء الشمالي يوم الأربعاء بسبب شقوق كثيرة في الخرسانة. وقال وزير النقل إن الإغلاق سيستمر ستة أسابيع.",
            "أغلق جسر الميناء الشمالي يوم الأربعاء بسبب شقوق كثيرة في الخرسانة. ويخشى التجار في المدينة خسائر كبيرة.",
        ),
    ],
)
def test_other_languages_get_briefs_with_shared_citations(language: str, title: str, first: str, second: str) -> None:
    sources = [source(1, title, first, language=language), source(2, f"{title} (2)", second, language=language)]
    brief = compose(story(sources), sources)
    assert brief.sections
    assert audit(brief, sources) == []
    assert any(s.citations == (1, 2) for section in brief.sections for s in section.sentences)


def test_a_story_with_articles_in_two_languages_is_told_in_its_own() -> None:
    sources = [
        *norwell(),
        source(9, "Gericht stoppt Mine", "Ein Gericht in Norwell hat am Donnerstag eine Kupfermine gestoppt.", language="de"),
    ]
    assert not any("Gericht" in text for text in texts(compose(story(sources), sources)))


def cuts(language: str, sentence: str) -> list[str]:
    """Give the headings that can be cut from a sentence."""
    article = reading(sentence, language=language)
    return [heading.text for statement in article.body for heading in cut_headings(statement, article)]


@pytest.mark.parametrize(
    ("language", "sentence", "expected"),
    [
        ("de", "Die Wasserwerke stoppten die Entnahme aus dem Fluss bis Freitag.", "Die Wasserwerke stoppten die Entnahme aus dem Fluss"),
        ("nl", "De waterleiding stopte de inname uit de rivier tot vrijdag.", "De waterleiding stopte de inname"),
        ("en", "Dugan was arrested on April 25 by federal authorities.", "Dugan was arrested on April 25 by federal authorities"),
        ("en", "The group shared a video with its many members and friends in Oru last night.", None),
        ("en", "The Harlan board approved a statement on Friday about the school.", None),
        ("en", "The doctors have called state bans on gender-affirming care harmful to children.", None),
        ("en", "The number of people who died in the flood in Oru is not known.", None),
        ("en", "Under the rules, set to take effect in May, all ferries in Oru must stop.", None),
        ("en", "One of the largest untapped copper deposits, it lies in Oru near the old harbour.", None),
        ("en", "Several plants in Oru have been shut down after workers, who had been ill, were sent home.", None),
        ("en", "A debate is happening around the country as lawmakers in eight states seek limits.", None),
        ("en", "Recent filings revealed that a group for Marsh, Friends of Arden, received a donation.", None),
        ("de", "Lorenz stimmte dem Antrag der Stadt im Rat nach langer Debatte zu.", None),
        (
            "de",
            "Die Polizei hat in Oldenau zwei Männer gefasst.",
            "Die Polizei hat in Oldenau zwei Männer gefasst",
        ),
    ],
)
def test_a_cut_ends_where_a_statement_does(language: str, sentence: str, expected: str | None) -> None:
    cut = cuts(language, sentence)
    assert (expected in cut) if expected else cut == [], cut


@pytest.mark.parametrize(
    ("heading", "flaw"),
    [
        ("Germany rejects recognition of the state", None),
        ("The board approved a statement", "ends_open"),
        ("They rejected the recognition", "opens_with_pronoun"),
        ("Yemen and the northern movement", "names_only"),
        ("Minister calls “the plan a mistake", "unclosed"),
    ],
)
def test_headings_that_read_badly_are_counted(heading: str, flaw: str | None) -> None:
    assert find_heading_flaw(heading, "en") == flaw

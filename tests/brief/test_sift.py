"""A sentence that can't stand alone is never used."""

import pytest

from services.publish.brief.sift import Flaw, find_flaw
from tests.brief.made_up import reading


def flaw(text: str, language: str = "en") -> Flaw | None:
    article = reading(text, language=language)
    assert len(article.body) == 1, [s.text for s in article.body]
    return find_flaw(article.body[0], article)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("He said so too at the harbour in Port Ellery.", Flaw.PRONOUN),
        ("They were treated at the hospital in Port Ellery.", Flaw.PRONOUN),
        ("This came a day after the ferry had left Port Ellery.", Flaw.PRONOUN),
        ("Police arrested him at the harbour in Port Ellery.", Flaw.PRONOUN),
        ("In a statement, he called the ruling a gift to enemies.", Flaw.PRONOUN),
        ("“The channel has not been dredged since 2014,” he said on Wednesday.", Flaw.PRONOUN),
        ("The move was criticised by the islanders' council on Wednesday.", Flaw.CONTEXT),
        ("As a result, all crossings were suspended until Friday.", Flaw.CONTEXT),
        ("The council also asked for an inquiry into the accident.", Flaw.CONTEXT),
        ("We believe that the channel should be dredged this year.", Flaw.PERSON),
        ("You can reach the island by ferry from Port Ellery.", Flaw.PERSON),
        ("Should the channel have been dredged before the accident?", Flaw.QUESTION),
        ("“The channel has not been dredged since the spring of 2014.”", Flaw.NO_SPEAKER),
        ("Nine passengers with minor injuries in the harbour of Port Ellery", Flaw.FRAGMENT),
        ("Increased use of tugs in the harbour of Port Ellery.", Flaw.FRAGMENT),
        ("Nobody was killed.", Flaw.LENGTH),
        ("THE FERRY RAN AGROUND OFF MARROW ISLAND ON WEDNESDAY MORNING.", Flaw.SHOUT),
    ],
)
def test_flawed_sentences_are_named(text: str, expected: Flaw) -> None:
    assert flaw(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Lifeboats took 140 passengers to the harbour of Port Ellery on Wednesday.",
        "Transport Minister Paul Orde said he had ordered an inquiry into the accident.",
        "“The channel has not been dredged since 2014,” Breck said on Wednesday.",
        "There were 212 people aboard the ferry when it struck a sandbank.",
        "The US sent two ships to help the passengers of the ferry.",
        "At least 14 people were killed when an earthquake struck the Talmar valley.",
    ],
)
def test_sound_sentences_are_used(text: str) -> None:
    assert flaw(text) is None


@pytest.mark.parametrize(
    ("language", "loose", "sound"),
    [
        ("de", "Er sagte, die Brücke werde bis Freitag gesperrt.", "Die Brücke bei Lohrstadt wurde am Mittwoch gesperrt."),
        ("es", "Ella dijo que el puente estará cerrado hasta el viernes.", "El puente de Valdorra fue cerrado el miércoles por la tarde."),
        ("fr", "Il a déclaré que le pont serait fermé jusqu'à vendredi.", "Le pont de Saurive a été fermé mercredi après la crue."),
        ("it", "Lui ha detto che il ponte resterà chiuso fino a venerdì.", "Il ponte di Valdora è stato chiuso mercoledì dopo la piena."),
        ("pt", "Ele disse que a ponte ficará fechada até sexta-feira.", "A ponte de Itarema foi fechada na quarta-feira após a cheia."),
        ("nl", "Hij zei dat de brug tot vrijdag gesloten blijft.", "De brug bij Lohrstad werd woensdag na de storm gesloten."),
        ("ru", "Он заявил, что мост закроют до пятницы из-за ремонта.", "Мост через реку Талу закрыли в среду из-за ремонта."),
    ],
)
def test_other_languages_have_their_pronouns(language: str, loose: str, sound: str) -> None:
    assert flaw(loose, language) == Flaw.PRONOUN
    assert flaw(sound, language) is None

"""A made-up press: events that several outlets in several languages tell in their own words, as lines that `ingest replay` takes."""

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from services.ingest.identity import canonical_url
from shared.ids import article_id

BEGAN = datetime(2026, 3, 2, 6, tzinfo=UTC)
OUTLETS = ("harbour.example", "ledger.example", "tribuna.example", "abendpost.example", "meridian.example", "courier.example")
_SYLLABLES = ("bar", "len", "mo", "tir", "gal", "ve", "sund", "ra", "quil", "os", "den", "ka", "fel", "ny", "thor", "ul")


@dataclass(frozen=True, slots=True)
class Tongue:
    """What is needed to tell an event in one language. {0} is the place, {1} a person, {2} a number, {3} the thing."""

    things: Sequence[str]
    titles: Sequence[str]
    sentences: Sequence[str]


TONGUES: Mapping[str, Tongue] = {
    "en": Tongue(
        (
            "tram line",
            "glass factory",
            "lighthouse",
            "orchard",
            "reservoir",
            "ferry pier",
            "paper mill",
            "observatory",
            "salt mine",
            "aqueduct",
        ),
        (
            "{0} reopens its {3} after {2} days",
            "{1} defends the {3} of {0} before {2} neighbours",
            "The {3} in {0}: {2} people ask for answers",
            "Storm over the {3} of {0} as {1} steps in",
        ),
        (
            "The {3} of {0} was closed for {2} days after cracks were found in its walls.",
            "Engineer {1} told reporters that {2} bolts of the {3} had been replaced overnight.",
            "Families from {0} gathered at the gate and applauded when the first visitors came through.",
            "The town's treasurer put the cost at {2} thousand crowns, most of it paid by the province.",
            "Nobody was hurt, but {1} promised that an inspection would follow every spring.",
            "A choir from {0} sang on the steps while {2} candles were lit along the road to the {3}.",
        ),
    ),
    "es": Tongue(
        ("tranvía", "faro", "embalse", "molino", "mercado", "observatorio", "acueducto", "puerto"),
        (
            "{0} reabre el {3} después de {2} días",
            "{1} defiende el {3} de {0} ante {2} vecinos",
            "El {3} de {0}: {2} personas piden respuestas",
        ),
        (
            "El {3} de {0} estuvo cerrado {2} días porque se hallaron grietas en sus muros.",
            "La ingeniera {1} dijo que {2} tornillos del {3} fueron cambiados durante la noche.",
            "Las familias de {0} se reunieron ante la puerta y aplaudieron a los primeros visitantes.",
            "El tesorero calculó el gasto en {2} mil coronas, que pagará casi todo la provincia.",
            "Nadie resultó herido, pero {1} prometió una revisión cada primavera.",
        ),
    ),
    "de": Tongue(
        ("Straßenbahn", "Leuchtturm", "Stausee", "Sternwarte", "Papiermühle", "Glashütte", "Salzbergwerk"),
        (
            "{0} öffnet {3} nach {2} Tagen wieder",
            "{1} verteidigt {3} von {0} vor {2} Anwohnern",
            "Streit um {3} in {0}: {2} Menschen verlangen Auskunft",
        ),
        (
            "Die Anlage {3} in {0} war {2} Tage geschlossen, weil Risse in den Mauern gefunden wurden.",
            "Ingenieurin {1} sagte, {2} Schrauben seien in der Nacht ausgetauscht worden.",
            "Familien aus {0} standen am Tor und klatschten, als die ersten Besucher kamen.",
            "Die Kämmerin schätzt die Kosten auf {2} tausend Kronen, das meiste zahlt die Provinz.",
            "Verletzt wurde niemand, doch {1} versprach eine Prüfung in jedem Frühjahr.",
        ),
    ),
    "fr": Tongue(
        ("tramway", "phare", "barrage", "moulin", "observatoire", "aqueduc"),
        ("{0} rouvre son {3} après {2} jours", "{1} défend le {3} de {0} devant {2} riverains"),
        (
            "Le {3} de {0} était fermé depuis {2} jours à cause de fissures dans ses murs.",
            "L'ingénieure {1} a expliqué que {2} boulons du {3} avaient été changés pendant la nuit.",
            "Des familles de {0} ont applaudi les premiers visiteurs devant la grille.",
            "Personne n'a été blessé, mais {1} a promis une inspection chaque printemps.",
        ),
    ),
    "ja": Tongue(
        ("灯台", "路面電車", "貯水池", "天文台"),
        ("{0}の{3}、{2}日ぶりに再開", "{1}氏、{0}の{3}について{2}人の住民に説明"),
        (
            "{0}の{3}は壁にひびが見つかり、{2}日間閉鎖されていた。",
            "技師の{1}氏は、夜のうちに{2}本のボルトを交換したと述べた。",
            "けが人はなく、{1}氏は毎年春に点検すると約束した。",
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, to be told by several outlets."""

    number: int
    language: str
    place: str
    person: str
    count: int
    thing: str
    happened_at: datetime


def events(seed: int, count: int, languages: Sequence[str] = ("en", "es", "de", "fr", "ja")) -> list[Event]:
    """Make events up, most of them in the first language."""
    chance = random.Random(seed)
    weights = [4.0] + [1.0] * (len(languages) - 1)
    made = []
    for number in range(count):
        language = chance.choices(languages, weights)[0]
        made.append(
            Event(
                number,
                language,
                _name(chance),
                f"{_name(chance)} {_name(chance)}",
                chance.randrange(11, 9_000),
                chance.choice(TONGUES[language].things),
                BEGAN + timedelta(minutes=chance.randrange(0, 4_000)),
            )
        )
    return made


def lines(seed: int, count: int, *, name: str = "news", languages: Sequence[str] = ("en", "es", "de", "fr", "ja")) -> list[dict[str, Any]]:
    """Make articles of the labelled sets' format up, some four to an event and a third of them a wire report's near-copy, by time."""
    chance = random.Random(seed)
    told = events(seed, max(1, count // 4), languages)
    made: list[dict[str, Any]] = []
    by_event: dict[int, str] = {}
    for number in range(count):
        event = told[number] if number < len(told) else chance.choice(told)
        tongue = TONGUES[event.language]
        slots = (event.place, event.person, event.count, event.thing)
        sentences = [sentence.format(*slots) for sentence in chance.sample(tongue.sentences, chance.randint(2, len(tongue.sentences)))]
        text = by_event[event.number] if event.number in by_event and chance.random() < 0.33 else " ".join(sentences * 2)
        by_event.setdefault(event.number, text)
        outlet = chance.choice(OUTLETS)
        made.append(
            {
                "schema_version": 1,
                "id": f"{name}-{number}",
                "title": chance.choice(tongue.titles).format(*slots),
                "text": text,
                "published": (event.happened_at + timedelta(minutes=chance.randrange(0, 600))).isoformat(),
                "language": event.language,
                "source": outlet.partition(".")[0].title(),
                "url": f"https://{outlet}/{name}/{number}-{event.place.lower()}",
            }
        )
    return sorted(made, key=lambda line: (line["published"], line["id"]))


def identity(line: Mapping[str, Any]) -> UUID:
    """Give the id that a line's article must have."""
    return article_id(canonical_url(line["url"]))


def write_lines(path: Path, made: Iterable[Mapping[str, Any]]) -> Path:
    """Write lines as JSONL."""
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in made), encoding="utf-8")
    return path


def _name(chance: random.Random) -> str:
    return "".join(chance.sample(_SYLLABLES, chance.randint(2, 3))).capitalize()

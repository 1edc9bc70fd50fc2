"""Made-up stories as view models, to look at templates without a database."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from services.publish import read
from services.publish.web import views

NOW = datetime(2026, 1, 7, 15, 20, tzinfo=UTC)
_NAMES = UUID("00000000-0000-0000-0000-00000000feed")
OUTLETS = ("Harbour Gazette", "Northern Ledger", "La Tribuna del Sur", "Abendpost", "Meridian Wire", "The Valley Observer")
HEADLINES = (
    ("en", "Ferry operators agree to reopen the island crossing after nine weeks of idle boats"),
    ("en", "City council votes down the harbour toll by a single voice"),
    ("es", "El puerto de Valdemar recupera la electricidad tras dos días a oscuras"),
    ("de", "Stadtrat lehnt die Hafenmaut mit einer Stimme Mehrheit ab"),
    ("en", "A 5.6 earthquake shakes the Oren valley; no one is reported hurt"),
    ("ar", "المجلس البلدي يرفض رسوم الميناء بفارق صوت واحد"),
    ("en", "Beekeepers count fewer winter losses than in any year since 2011"),
    ("en", "Night trains return between Lisse and Port Amber from March"),
    ("en", "Museum finds a forgotten map of the river delta behind a cupboard"),
    ("en", "Drought relief: farmers in the south may pay their water bills in spring"),
)
LEADS = {
    "en": "Crews will be back at work on Friday, both sides said, after the owners took back a cut in night pay that had started the dispute.",
    "es": "La compañía eléctrica dijo que el último barrio volvió a tener luz a las cuatro de la madrugada.",
    "de": "Die Gegner der Gebühr setzten sich nach einer langen Debatte knapp durch.",
    "ar": "قال رئيس المجلس إن التصويت نهائي.",
}


def made_id(name: str) -> UUID:
    return uuid5(_NAMES, name)


def card(index: int, headline: str | None = None) -> views.Card:
    language, title = HEADLINES[index % len(HEADLINES)]
    last = NOW - timedelta(minutes=7 + 23 * index)
    return views.Card(
        story_id=made_id(f"story {index}"),
        revision=3,
        headline=headline if headline is not None else title,
        language=language,
        article_count=max(1, 14 - index),
        publisher_count=max(1, 9 - index),
        first_published_at=last - timedelta(hours=3),
        last_published_at=last,
        changed_at=last,
        lead=LEADS[language],
        publishers=OUTLETS[: max(1, 6 - index % 6)],
    )


def member(number: int, **more: object) -> read.Member:
    values: dict[str, object] = {
        "number": number,
        "article_id": made_id(f"article {number}"),
        "version": 1,
        "present": True,
        "title": "Ferries to sail again on Friday",
        "url": f"https://outlet{number}.example/a/{number}",
        "publisher_id": f"outlet{number}.example",
        "publisher_name": OUTLETS[number % len(OUTLETS)],
        "published_at": NOW,
        "fetched_at": NOW,
        "wire_group": None,
        "copy_of": None,
        "language": "en",
        "image": None,
        "story_revision": 1,
    }
    return read.Member(**(values | more))  # type: ignore[arg-type]


def source(number: int, title: str = "Ferries to sail again on Friday", **more: object) -> views.Source:
    values: dict[str, object] = {
        "number": number,
        "article_id": made_id(f"article {number}"),
        "title": title,
        "publisher_id": f"outlet{number}.example",
        "publisher": OUTLETS[number % len(OUTLETS)],
        "href": f"https://outlet{number}.example/a/{number}",
        "published_at": NOW - timedelta(minutes=12 + 31 * (6 - number)),
        "language": "en",
    }
    return views.Source(**(values | more))  # type: ignore[arg-type]

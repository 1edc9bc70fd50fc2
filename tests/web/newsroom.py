"""Put stories into a database as the materialiser does: the same messages, decoding, rows, offsets and signals, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from aiokafka import TopicPartition

from services.publish.connect import Connection
from services.publish.materialise.decode import decode
from services.publish.materialise.gather import gather
from services.publish.materialise.offsets import begin_offsets
from services.publish.materialise.positions import Reached
from services.publish.materialise.write import write_rows
from services.publish.signals import notify
from services.publish.status import say_status
from shared import ids
from shared.contracts import (
    Article,
    ArticleStatus,
    Brief,
    Member,
    Message,
    Publisher,
    Section,
    Sentence,
    Story,
    StoryLink,
    StoryStatus,
    StoryUpdated,
)
from shared.kafka.decision import SourceRecord
from shared.topics import ARTICLES, STORIES, STORY_BRIEFS, STORY_MEMBERS, STORY_UPDATES, key_partition, language_partition

_NAMES = UUID("00000000-0000-0000-0000-00000009e3b5")
_TOPICS: dict[type[Message], tuple[Any, str]] = {
    Article: (ARTICLES, "article_id"),
    Story: (STORIES, "story_id"),
    Member: (STORY_MEMBERS, "article_id"),
    StoryUpdated: (STORY_UPDATES, "story_id"),
    Brief: (STORY_BRIEFS, "story_id"),
}
_BY_LANGUAGE = (Story, Member, StoryUpdated)


def made_id(name: str) -> UUID:
    return uuid5(_NAMES, name)


@dataclass(frozen=True)
class Report:
    """An article as a test tells it."""

    outlet: str
    title: str
    minutes_ago: float = 30
    language: str = "en"
    text: str = "The crossing between the islands is open again."
    version: int = 1
    withdrawn: bool = False
    copy_of: int | None = None
    url: str | None = None
    image: str | None = None

    @property
    def domain(self) -> str:
        return "".join(letter for letter in self.outlet.lower() if letter.isalnum()) + ".example"


@dataclass
class Newsroom:
    """Writes stories; keeps offsets, revisions and numbers as the services would."""

    connection: Connection
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    offsets: dict[TopicPartition, int] = field(default_factory=dict)
    revisions: dict[UUID, int] = field(default_factory=dict)

    async def put(self, *messages: Message, partition: int | None = None) -> None:
        """Write messages in one transaction."""
        records: list[SourceRecord] = []
        for message in messages:
            topic, key_name = _TOPICS[type(message)]
            key = str(getattr(message, key_name))
            place = partition if partition is not None else key_partition(key, topic)
            if partition is None and isinstance(message, (Story, StoryUpdated)):
                place = language_partition(message.language)
            tp = TopicPartition(topic.name, place)
            offset = self.offsets.get(tp, 0)
            self.offsets[tp] = offset + 1
            stamp = int(self.now.timestamp() * 1000)
            records.append(SourceRecord(topic.name, place, offset, key.encode(), message.to_bytes(), stamp))
        reached = {TopicPartition(r.topic, r.partition): Reached(r.offset + 1, self.now) for r in records}
        async with self.connection.transaction():
            await begin_offsets(self.connection, dict.fromkeys(reached, (0, 0)))
            for tp, point in reached.items():
                await self.connection.execute(
                    "UPDATE consumed_offsets SET next_offset = $3, end_offset = $3, appended_at = $4 WHERE topic = $1 AND partition = $2",
                    tp.topic,
                    tp.partition,
                    point.next_offset,
                    point.appended_at,
                )
            written = await write_rows(self.connection, gather([decode(record) for record in records]))
            await notify(self.connection, written.shown)

    async def story(
        self,
        name: str,
        headline: str,
        reports: Sequence[Report],
        sections: Sequence[tuple[str, Sequence[tuple[str, Sequence[int]]]]] | None = None,
        *,
        language: str = "en",
        status: StoryStatus = StoryStatus.OPEN,
        redirect_to: str | None = None,
        links: Sequence[StoryLink] = (),
        reason: str | None = None,
        added: Sequence[int] | None = None,
        corrected: bool = False,
        publisher_count: int | None = None,
    ) -> UUID:
        """Write a revision of a story with these reports as members 1, 2, 3 …; `sections` None leaves the brief as it was."""
        story_id = made_id(name)
        revision = self.revisions.get(story_id, 0) + 1
        self.revisions[story_id] = revision
        present = [report for report in reports if not report.withdrawn]
        times = [self.now - timedelta(minutes=report.minutes_ago) for report in present] or [self.now]
        counts: dict[str, Any] = {
            "status": status,
            "headline": headline,
            "language": language,
            "article_count": 0 if redirect_to else len(present),
            "publisher_count": len({r.domain for r in present if r.copy_of is None}) if publisher_count is None else publisher_count,
            "first_published_at": min(times),
            "last_published_at": max(times),
            "redirect_to": made_id(redirect_to) if redirect_to else None,
        }
        messages: list[Message] = []
        for number, report in enumerate(reports, 1):
            article_id = made_id(f"{name}/{number}")
            publisher = Publisher(id=report.domain, name=report.outlet)
            published_at = self.now - timedelta(minutes=report.minutes_ago)
            url = report.url if report.url is not None else f"https://{report.domain}/{name}/{number}"
            messages.append(
                Article(
                    article_id=article_id,
                    version=report.version,
                    status=ArticleStatus.WITHDRAWN if report.withdrawn else ArticleStatus.PUBLISHED,
                    url=url,
                    canonical_url=url,
                    publisher=publisher,
                    title=report.title,
                    text=report.text,
                    image=report.image,
                    language=report.language,
                    published_at=published_at,
                    fetched_at=self.now,
                    content_hash=f"{name}-{number}-{report.version}",
                )
            )
            messages.append(
                Member(
                    article_id=article_id,
                    story_id=story_id,
                    number=number,
                    version=report.version,
                    present=not report.withdrawn and redirect_to is None,
                    wire_group=made_id(f"{name}/{report.copy_of}") if report.copy_of else None,
                    title=report.title,
                    url=url,
                    publisher=publisher,
                    published_at=published_at,
                    fetched_at=self.now,
                    story_revision=revision,
                )
            )
        fresh = [len(reports)] if added is None and revision > 1 else list(range(1, len(reports) + 1)) if added is None else list(added)
        messages.append(Story(story_id=story_id, revision=revision, links=tuple(links), **counts))
        messages.append(
            StoryUpdated(
                event_id=ids.event_id(story_id, revision),
                story_id=story_id,
                revision=revision,
                reason=reason or ("created" if revision == 1 else "article_added"),
                articles_added=tuple(made_id(f"{name}/{number}") for number in fresh),
                **counts,
            )
        )
        if sections is not None:
            messages.append(
                Brief(
                    story_id=story_id,
                    story_revision=revision,
                    corrected=corrected,
                    sections=tuple(
                        Section(heading=heading, sentences=tuple(Sentence(text=text, citations=tuple(cites)) for text, cites in told))
                        for heading, told in sections
                    ),
                )
            )
        await self.put(*messages)
        return story_id

    async def say_well(self) -> None:
        """Say that all workers are there."""
        for worker in ("materialise", "brief"):
            await say_status(self.connection, worker, {}, 0)


FERRY_REPORTS = (
    Report("Harbour Gazette", "Ferries to sail again on Friday, operators say", 170),
    Report("Northern Ledger", "Island crossing reopens as owners drop cut in night pay", 120),
    Report("Meridian Wire", "Ferries to sail again on Friday, say operators", 95, copy_of=1),
    Report("The Valley Observer", "Nine weeks without boats: how the island coped", 12),
)
FERRY_SECTIONS: tuple[tuple[str, tuple[tuple[str, tuple[int, ...]], ...]], ...] = (
    (
        "Crews return to work on Friday",
        (
            (
                "The ferry operators and the crews’ union said on Wednesday that the island crossing will reopen on Friday.",
                (1, 2, 3, 4),
            ),
            ("The owners took back a cut in night pay that had started the dispute in November.", (1, 2)),
        ),
    ),
    (
        "What the crews get",
        (
            ("Night pay stays at 1.4 times the day rate until the end of 2027, and nobody who took part is to be punished.", (2,)),
            ("A joint board will look at rest times before the summer season.", (3, 4)),
        ),
    ),
    (
        "Life on the island without boats",
        (
            ("“We flew in insulin and schoolbooks and went without the rest,” the mayor, Ida Renn, told reporters at the quay.", (4,)),
            ("The council counted 212 flights with the small plane that usually serves the lighthouse.", (4,)),
        ),
    ),
    ("Subsidies come up again in March", (("Parliament is to debate on 12 March whether the state should pay for the crossing.", (1, 3)),)),
)
FERRY_HEADLINE = "Ferry operators agree to reopen the island crossing after nine weeks of idle boats"

FRONT: tuple[tuple[str, str, int, str], ...] = (
    ("vote", "City council votes down the harbour toll by a single voice", 9, "en"),
    ("power", "El puerto de Valdemar recupera la electricidad tras dos días a oscuras", 7, "es"),
    ("toll-de", "Stadtrat lehnt die Hafenmaut mit einer Stimme Mehrheit ab", 5, "de"),
    ("quake", "A 5.6 earthquake shakes the Oren valley; no one is reported hurt", 5, "en"),
    ("toll-ar", "المجلس البلدي يرفض رسوم الميناء بفارق صوت واحد", 4, "ar"),
    ("bees", "Beekeepers count fewer winter losses than in any year since 2011", 4, "en"),
    ("trains", "Night trains return between Lisse and Port Amber from March", 3, "en"),
    ("map", "Museum finds a forgotten map of the river delta behind a cupboard", 3, "en"),
    ("drought", "Drought relief: farmers in the south may pay their water bills in spring", 3, "en"),
    ("school", "Schools in the capital open an hour later while the buses are repaired", 2, "en"),
    ("chess", "A girl of eleven wins the open chess championship of the northern towns", 2, "en"),
    ("bridge", "Le pont suspendu de Varenne rouvre aux piétons après un an de travaux", 2, "fr"),
    ("glacier", "Measurements show the Aske glacier thinned by four metres last summer", 2, "en"),
    ("bakers", "Bakers agree on a common price for the poor people’s loaf", 1, "en"),
    ("choir", "Four hundred singers fill the old shipyard for a winter concert", 1, "en"),
)
OUTLETS = (
    "Harbour Gazette", "Northern Ledger", "La Tribuna del Sur", "Abendpost", "Meridian Wire", "The Valley Observer", "Saut-Mer Matin",
    "Port Amber Times", "Delta Courier",
)  # fmt: skip
LEADS = {
    "en": "Those who were there said that it took until the late evening before the matter was settled, and that few had expected it.",
    "es": "La compañía dijo que el último barrio volvió a tener luz a las cuatro de la madrugada.",
    "de": "Die Gegner der Gebühr setzten sich nach einer langen Debatte knapp durch.",
    "fr": "La mairie a annoncé que les voitures devront attendre l’automne.",
    "ar": "قال رئيس المجلس إن التصويت نهائي ولن يعاد.",
}


async def fill(newsroom: Newsroom) -> UUID:
    """Write a front page of stories, and the ferry story, whose id is given."""
    await newsroom.say_well()
    for place, (name, headline, outlets, language) in enumerate(FRONT):
        reports = [Report(OUTLETS[(place + n) % len(OUTLETS)], headline, 20 + 41 * place - n * 3, language) for n in range(outlets)]
        cites = tuple(range(1, outlets + 1))
        await newsroom.story(name, headline, reports, [(headline[:60], [(LEADS[language], cites)])], language=language)
    for count in (2, 3):
        await newsroom.story("ferry", FERRY_HEADLINE, FERRY_REPORTS[:count])
    link = StoryLink(story_id=made_id("power"), language="es", article_count=7)
    return await newsroom.story("ferry", FERRY_HEADLINE, FERRY_REPORTS, FERRY_SECTIONS, links=[link])

"""Messages of every kind, for consumers' own tests: a few articles of the recorded web played through the pure code of every stage.

`slugline contracts examples` writes them to `shared/contracts/examples`, a file a topic, a record a line. Everything is decided by the
code that the services run; only time, offsets and the editors' commands are made up here, so that each run gives the same records.
"""

import json
import math
from base64 import b64decode
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid5

from deploy.recorded_web import content, render
from deploy.recorded_web.content import ArticlePlan, Outlet, Variant
from deploy.recorded_web.edition import Edition, Page, Status
from deploy.recorded_web.play import Play
from services.cluster.assign.decide import AssignLogic
from services.cluster.config import StoryRules
from services.cluster.enrich.features import FeatureMaker
from services.cluster.enrich.transform import needs_features, to_story_input
from services.cluster.link.config import LinkRules
from services.cluster.link.follow import Following
from services.ingest import registry
from services.ingest.extraction.extract import extract
from services.ingest.feeds.parse import parse_feed
from services.ingest.fetch.discover import PageOutcome, Retry, from_check, from_discovery, from_page
from services.ingest.fetch.publish import Schedule
from services.ingest.fetch.state import Alias, ArticleState, Fresh, Pending
from services.ingest.poll.discover import PollOutcome, conclude
from services.ingest.poll.schedule import Bounds
from services.ingest.poll.state import FeedState, SeenItems
from services.ingest.replay import read_line
from services.publish.brief.compose import compose
from services.publish.brief.due import UNTOLD
from services.publish.brief.source import Source
from services.publish.webhooks.event import STORY_FIELDS, Event, Told, kind_of, probe_event, story_event
from services.publish.webhooks.sign import headers
from shared.contracts import (
    Article,
    Brief,
    Clock,
    Command,
    CommandOp,
    CrossLink,
    DeadLetter,
    InputKind,
    Member,
    Message,
    Story,
    StoryInput,
    StoryUpdated,
)
from shared.errors import InvalidMessage, Refused
from shared.ids import NAMESPACE, feed_id
from shared.kafka.dead_letters import dead_letter
from shared.kafka.decision import Decision, Output, SourceRecord
from shared.topics import (
    ALL,
    ARTICLES,
    DEAD_LETTERS,
    FEEDS,
    STORIES,
    STORY_BRIEFS,
    STORY_INPUTS,
    Topic,
    key_partition,
    language_partition,
)

FOLDER: Final = Path(__file__).parents[1] / "shared" / "contracts" / "examples"
BEGAN: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)
PORT: Final = 8090
TOLD: Final = {
    "lee-xi-mediation": ("mulberrystrait", "quillmark", "ostrel", "pellworth"),
    "ferry-aground": ("quillmark", "caldmoor"),
    "warehouse-fire": ("pellworth", "caldmoor"),
    "striker-transfer": ("caldmoor", "pellworth"),
    "palisade-outage": ("plinth", "nordkai"),
}
"""Stories of the recorded web and whose articles of them are told: a wire copy, a correction, a withdrawal, two languages."""
WEBHOOK: Final = UUID("3f9e5b52-6f0c-4a9e-9a43-0d5b6c1f7a01")
SECRET: Final = "whsec_c2x1Z2xpbmUgZXhhbXBsZSBzZWNyZXQsIG5vdCBhIHJlYWw="  # noqa: S105 - it is public
"""Signs the recorded posts, for tests of receivers. It is public: no webhook may have it."""
TRACED: Final = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
"""The example of W3C Trace Context; records carry such a header where traces are on."""
TOLERANCE: Final = 0.02
"""How much a number may differ between two processors, of which floating point is not the same everywhere."""


@dataclass
class Fetched:
    """What fetch knows, as its pure code reads it."""

    articles: dict[UUID, ArticleState] = field(default_factory=dict)
    pending: dict[UUID, Pending] = field(default_factory=dict)
    aliases: dict[UUID, Alias] = field(default_factory=dict)
    fresh: dict[UUID, Fresh] = field(default_factory=dict)

    def apply(self, decision: Decision) -> None:
        """Take over changed state."""
        kinds: dict[str, tuple[dict[UUID, Any], Any]] = {
            "a:": (self.articles, ArticleState),
            "p:": (self.pending, Pending),
            "u:": (self.aliases, Alias),
            "f:": (self.fresh, Fresh),
        }
        for key, value in decision.changes.items():
            held, kind = kinds[key[:2]]
            if value is None:
                held.pop(UUID(key[2:]), None)
            else:
                held[UUID(key[2:])] = kind.model_validate_json(value)


class Recorder:
    """Plays articles through all stages and keeps every record that they produce."""

    def __init__(self) -> None:
        """Lay out the recorded web at a fixed time."""
        self.edition = Edition.prepare(content.load(), Play(BEGAN), PORT)
        self.records: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.now = BEGAN
        self._ends: dict[tuple[str, int], int] = defaultdict(int)
        self._fetched = Fetched()
        self._features = FeatureMaker()
        self._assign: dict[int, AssignLogic] = {}
        self._following = Following(LinkRules())
        self._polled: dict[UUID, tuple[FeedState, SeenItems]] = {}
        self._schedule = Schedule((timedelta(hours=1),), timedelta(hours=1))
        self.articles: dict[UUID, Article] = {}
        self.stories: dict[UUID, Story] = {}
        self.members: dict[UUID, Member] = {}
        self.briefs: dict[UUID, Brief] = {}

    # The stages

    def register(self, outlet: Outlet) -> None:
        """Register an outlet's first feed."""
        plan = outlet.feeds[0]
        feed = registry.new_feed(
            self.edition.feed_url(outlet, plan), now=self.now, title=plan.title, language=outlet.language, country=outlet.country
        )
        self._put(Output(FEEDS, str(feed.feed_id), feed, registry.feed_partition(feed.url)), "a feed as its owner defined it")
        self._polled[feed.feed_id] = (FeedState(feed=feed, url=feed.url, interval_s=60, next_poll_at=self.now), SeenItems())

    def remove(self, outlet: Outlet) -> None:
        """Remove an outlet's first feed."""
        url = self.edition.feed_url(outlet, outlet.feeds[0])
        output = Output(FEEDS, str(feed_id(url)), None, registry.feed_partition(url))
        self._put(output, "a feed that its owner removed: a tombstone")

    def poll(self, outlet: Outlet, pages: list[Page]) -> None:
        """Read an outlet's feed, and all that follows from it."""
        plan = outlet.feeds[0]
        body = render.feed(self.edition, outlet, plan, pages, self.now)
        identity = feed_id(self.edition.feed_url(outlet, plan))
        state, seen = self._polled[identity]
        parsed = parse_feed(body, url=state.url, content_type=None, now=self.now)
        for key, value in (
            decision := conclude(state, seen, PollOutcome(at=self.now, parsed=parsed), Bounds(60, 3_600)).decision
        ).changes.items():
            assert value is not None
            state, seen = (
                (FeedState.model_validate_json(value), seen) if key.startswith("f:") else (state, SeenItems.model_validate_json(value))
            )
        self._polled[identity] = state, seen
        for output in decision.outputs:
            self.discover(output, "an item as the feed gave it; its page is still to be fetched", pages)

    def discover(self, output: Output, shows: str, pages: Iterable[Page] = ()) -> None:
        """Append a discovery, fetch the page that it names, and all that follows."""
        record = self._put(output, shows)
        decision = from_discovery(self._fetched, output.value, record, self.now, self._schedule)  # type: ignore[arg-type]
        self._fetched.apply(decision)
        self._take_articles(decision)
        for key, pending in list(self._fetched.pending.items()):
            page = next(page for page in pages if pending.canonical_url.endswith(page.path) and page.outlet.name in pending.canonical_url)
            outcome = PageOutcome(at=self.now, final_url=page.url, page=self._read(page))
            decision = from_page(self._fetched, key, outcome, Retry(1, 1, 1), self._schedule, record.partition)
            self._fetched.apply(decision)
            self._take_articles(decision)

    def check(self, page: Page, *, gone: bool = False) -> None:
        """Look at a published page again."""
        key = next(one.article_id for one in self._fetched.articles.values() if one.url == page.url)
        outcome = PageOutcome(at=self.now, final_url=page.url, gone=gone, page=None if gone else self._read(page))
        decision = from_check(self._fetched, key, outcome, self._schedule, host_fails=False)
        self._fetched.apply(decision)
        self._take_articles(decision)

    def command(self, op: CommandOp, why: str, **more: Any) -> None:
        """Append an editor's command to its story's partition."""
        command = Command(command_id=uuid5(NAMESPACE, f"example:{op}:{why}"), op=op, actor="desk", why=why, at=self.now, **more)
        story_id = command.story_id or command.into_story_id or next(self.members[one].story_id for one in command.article_ids)
        partition = language_partition(self.stories[story_id].language)
        self._take_input(StoryInput(kind=InputKind.COMMAND, command=command), str(story_id), partition, f"an editor's command: {op}")

    def link(self, *, wait: timedelta = timedelta(seconds=3)) -> None:
        """Look for the same event in other languages, as the link service does."""
        self.now += wait
        for output in self._following.ask(self._following.decide(self.now), self.now):
            assert isinstance(output.value, StoryInput)
            assert output.partition is not None
            self._take_input(output.value, output.key, output.partition, "two stories in different languages tell the same event")

    def unlink(self, story: Story) -> None:
        """Append that a story's first link no longer holds."""
        other = story.links[0]
        link = CrossLink(
            story_id=story.story_id, other_story_id=other.story_id, other_language=other.language, linked=False, score=0.2, at=self.now
        )
        partition = language_partition(story.language)
        self._take_input(
            StoryInput(kind=InputKind.LINK, link=link), str(story.story_id), partition, "two stories no longer tell the same event"
        )

    def strike(self, partition: int) -> None:
        """Append the time to a partition."""
        self._take_input(
            StoryInput(kind=InputKind.CLOCK, clock=Clock(at=self.now)), "clock", partition, "the time, so that quiet stories close"
        )

    def erase(self, article_id: UUID) -> None:
        """Erase an article: from its topic, and from its story."""
        self._put(Output(ARTICLES, str(article_id), None), "an erased article: a tombstone")
        self.command(CommandOp.ERASE, "the person asked for it", article_ids=(article_id,))

    def refuse(self, value: bytes) -> None:
        """Append an input that can't be read, and what becomes of it."""
        partition = language_partition("en")
        record = self._append(STORY_INPUTS, b"example", None, partition)
        record = SourceRecord(record.topic, partition, record.offset, record.key, value, record.timestamp_ms)
        try:
            self._logic(partition).decide(record)
        except (InvalidMessage, Refused) as error:
            output = dead_letter("assign", record, error)
        self._put(output, "an input that could not be handled, whole")
        assert isinstance(output.value, DeadLetter)
        self.now += timedelta(hours=1)
        resolved = output.value.model_copy(update={"value": None, "resolution": "dropped", "resolved_by": "ops", "resolved_at": self.now})
        self._put(Output(DEAD_LETTERS, output.key, resolved), "the same letter, dealt with")

    # What follows

    def _read(self, page: Page) -> Any:
        return extract(
            render.article(self.edition, page, (), Variant.CANONICAL), url=page.url, content_type="text/html; charset=utf-8", now=self.now
        )

    def _take_articles(self, decision: Decision) -> None:
        for output in decision.outputs:
            article = output.value
            if not isinstance(article, Article):
                continue
            known = self.articles.get(article.article_id)
            shows = "an article" if known is None else "an article's correction" if needs_features(article) else "an article's withdrawal"
            self._put(output, shows, headers={"traceparent": TRACED} if known is None and len(self.articles) == 0 else None)
            self.articles[article.article_id] = article
            features = self._features.features(article.title, article.text, article.language) if needs_features(article) else None
            enriched = to_story_input(article, features)
            self._following.take_input(enriched)
            self._take_input(enriched, str(article.article_id), language_partition(article.language), f"{shows}, enriched")

    def _take_input(self, value: StoryInput, key: str, partition: int, shows: str) -> None:
        record = self._put(Output(STORY_INPUTS, key, value, partition), shows)
        logic = self._logic(partition)
        decision = logic.decide(record)
        logic.apply(decision)
        touched: dict[UUID, Story] = {}
        for output in decision.outputs:
            match output.value:
                case StoryUpdated() as update:
                    self._put(output, update.reason)
                case Story() as story:
                    self._put(output, f"a story as it is now: {story.status}")
                    touched[story.story_id] = self.stories[story.story_id] = story
                    self._following.take_story(story, partition)
                case Member() as member:
                    self._put(output, "an article's place in a story" if member.present else "a withdrawn article's place")
                    self.members[member.article_id] = member
                case _:
                    self._put(output, "an erased article has no place: a tombstone")
                    self.members.pop(UUID(output.key), None)
        for story in touched.values():
            self._write_brief(story)

    def _write_brief(self, story: Story) -> None:
        key = str(story.story_id)
        if story.status in UNTOLD:
            if self.briefs.pop(story.story_id, None) is not None:
                self._put(Output(STORY_BRIEFS, key, None), "a story that is told no longer: a tombstone")
            return
        members = [member for member in self.members.values() if member.story_id == story.story_id and member.present]
        brief = compose(story, [_source(member, self.articles[member.article_id]) for member in members])
        if brief != self.briefs.get(story.story_id):
            self._put(Output(STORY_BRIEFS, key, brief), "a brief, corrected" if brief.corrected else "a brief")
            self.briefs[story.story_id] = brief

    def _logic(self, partition: int) -> AssignLogic:
        return self._assign.setdefault(partition, AssignLogic(partition, StoryRules()))

    # Records

    def _put(self, output: Output, shows: str, headers: dict[str, str] | None = None) -> SourceRecord:
        partition = key_partition(output.key, output.topic) if output.partition is None else output.partition
        value = None if output.value is None else output.value.to_bytes()
        record = self._append(output.topic, output.key.encode(), value, partition)
        self.records[output.topic.name].append(
            {
                "shows": shows,
                "partition": partition,
                "offset": record.offset,
                "timestamp_ms": record.timestamp_ms,
                "key": output.key,
                "headers": headers or {},
                "value": None if value is None else json.loads(value),
            }
        )
        return record

    def _append(self, topic: Topic, key: bytes, value: bytes | None, partition: int) -> SourceRecord:
        self.now += timedelta(milliseconds=20)
        offset = self._ends[topic.name, partition]
        self._ends[topic.name, partition] += 1
        return SourceRecord(topic.name, partition, offset, key, value, round(self.now.timestamp() * 1000))


def _source(member: Member, article: Article) -> Source:
    return Source(
        number=member.number,
        article_id=member.article_id,
        version=article.version,
        title=article.title,
        text=article.text or article.summary,
        publisher_id=member.publisher.id,
        publisher_name=member.publisher.name,
        language=article.language,
        published_at=member.published_at,
        wire_group=member.wire_group,
        extraction=article.extraction,
    )


def record() -> dict[str, list[dict[str, Any]]]:
    """Play the scenario; gives the records of each topic in the order in which they were produced."""
    recorder = Recorder()
    edition = recorder.edition
    plans = {plan.key: (story, plan) for story, plan in edition.content.articles() if plan.outlet in TOLD.get(story.name, ())}
    outlets = [outlet for outlet in edition.content.outlets if any(plan.outlet == outlet.name for _, plan in plans.values())]

    def pages(position_s: float, outlet: Outlet) -> list[Page]:
        position = timedelta(seconds=position_s)
        return [
            edition.page(story, plan, position)
            for story, plan in plans.values()
            if plan.outlet == outlet.name and edition.status(plan, position) is Status.ONLINE
        ]

    def page_of(name: str, outlet: str, position_s: float) -> Page:
        story, plan = next((story, plan) for story, plan in plans.values() if story.name == name and plan.outlet == outlet)
        return edition.page(story, plan, timedelta(seconds=position_s))

    def article_of(name: str, outlet: str) -> UUID:
        url = page_of(name, outlet, 0).url
        return next(article.article_id for article in recorder.articles.values() if article.url == url)

    def story_of(name: str, outlet: str) -> Story:
        return recorder.stories[recorder.members[article_of(name, outlet)].story_id]

    for outlet in outlets:
        recorder.register(outlet)
    late = max(_last_change_s(plan) for _, plan in plans.values())
    for position_s in (0.0, 60.0):
        recorder.now = max(recorder.now, BEGAN + timedelta(seconds=position_s))
        for outlet in outlets:
            recorder.poll(outlet, pages(position_s, outlet))
    recorder.now = max(recorder.now, BEGAN + timedelta(seconds=late))
    recorder.discover(_posted(recorder.now), "a whole article, posted or replayed; nothing is fetched")
    posted = list(recorder.articles)[-1]
    recorder.link()
    recorder.check(page_of("warehouse-fire", "pellworth", late))
    recorder.check(page_of("striker-transfer", "caldmoor", late), gone=True)
    # What editors do.
    lee = story_of("lee-xi-mediation", "quillmark")
    recorder.command(CommandOp.PIN, "of the day", story_id=lee.story_id)
    recorder.command(
        CommandOp.SPLIT, "about culture and the sea", story_id=lee.story_id, article_ids=(article_of("lee-xi-mediation", "pellworth"),)
    )
    apart = story_of("lee-xi-mediation", "pellworth")
    recorder.command(
        CommandOp.MOVE, "about the same lunch", into_story_id=apart.story_id, article_ids=(article_of("lee-xi-mediation", "ostrel"),)
    )
    recorder.command(CommandOp.MERGE, "one visit, one story", story_id=apart.story_id, into_story_id=lee.story_id)
    recorder.command(CommandOp.UNPIN, "no longer of the day", story_id=lee.story_id)
    recorder.command(CommandOp.OWN, "one house", publisher_id="plinth.localhost", owner="Plinth Press", story_id=lee.story_id)
    recorder.unlink(next(story for story in recorder.stories.values() if story.links))
    recorder.erase(posted)
    recorder.refuse(b'{"schema_version":1,"kind":"article"}')
    # Days without news: stories close, and a late article opens one again.
    recorder.now = BEGAN + timedelta(days=4)
    recorder.strike(language_partition("en"))
    recorder.discover(_late(recorder.now), "a whole article that comes days late")
    recorder.command(CommandOp.CLOSE, "over", story_id=story_of("palisade-outage", "nordkai").story_id)
    recorder.remove(outlets[-1])
    return recorder.records


def _last_change_s(plan: ArticlePlan) -> float:
    ends = [plan.appears, *(correction.at for correction in plan.corrections), *([plan.withdrawn.at] if plan.withdrawn else [])]
    return max(ends).total_seconds()


def _posted(now: datetime) -> Output:
    line = {
        "id": "wx-118",
        "source": "Harbour Radio",
        "title": "Harbour Radio reads chess problems aloud at nine",
        "text": "A grandmaster sets the position, listeners send their moves by postcard, and solutions follow on Sundays.",
        "published": (now - timedelta(hours=2)).isoformat(),
        "language": "en",
    }
    return read_line(json.dumps(line).encode(), "examples", now)


def _late(now: datetime) -> Output:
    line = {
        "url": "https://harbour.example/2026/03/02/lee-asks-xi-to-mediate",
        "source": "Harbour Radio",
        "title": "South Korean President Lee asks Xi to mediate on North Korea's nuclear programme",
        "text": (
            "South Korean President Lee Jae Myung said in Shanghai that he had asked Chinese President Xi Jinping to mediate on all "
            "issues of the Korean Peninsula, North Korea's nuclear programme among them. All channels to Pyongyang are blocked and "
            "trust is at zero, Lee told reporters over lunch. Xi answered that patience was needed."
        ),
        "published": (BEGAN - timedelta(hours=1)).isoformat(),
        "language": "en",
    }
    return read_line(json.dumps(line).encode(), "examples", now)


# Files


def posts(stories: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Give what a webhook of Top Headlines is sent of the story that was merged away, revision by revision, and a test."""
    gone = next(one["value"]["story_id"] for one in stories if one["value"]["redirect_to"])
    told: Told | None = None
    for one in (one for one in stories if one["value"]["story_id"] == gone):
        story = Story.from_bytes(json.dumps(one["value"]).encode())
        present = story.status not in UNTOLD
        kind = kind_of(told, story.revision, present=present)
        assert kind is not None
        at = datetime.fromtimestamp(one["timestamp_ms"] / 1000, tz=UTC)
        row = {name: getattr(story, name) for name in STORY_FIELDS} | {"changed_at": at}
        yield _post(story_event(WEBHOOK, "top", kind, told, row, "https://news.example"), at)
        told = Told(story.revision, present, 1 if told is None else told.turn + 1)
    yield _post(probe_event(WEBHOOK, "top", BEGAN), BEGAN)


def _post(event: Event, at: datetime) -> dict[str, Any]:
    return {"shows": event.kind, "headers": dict(headers(str(event.event_id), at, event.body, [SECRET])), "body": event.body.decode()}


def render_files() -> dict[str, str]:
    """Give the files' names and texts as the code says now."""
    recorded = record()
    files = {f"{topic.name}.jsonl": recorded[topic.name] for topic in ALL if topic.contract is not None}
    files["webhooks.jsonl"] = list(posts(recorded[STORIES.name]))
    return {name: "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in lines) for name, lines in files.items()}


def write(folder: Path = FOLDER) -> list[Path]:
    """Write the files; gives those that changed by more than what differs between two processors."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for name, text in render_files().items():
        path = folder / name
        if not path.exists() or not alike(list(_lines(path.read_text(encoding="utf-8"))), list(_lines(text))):
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


def stale(folder: Path = FOLDER) -> list[str]:
    """Name the files that are not what the code says now."""
    return [
        name
        for name, text in render_files().items()
        if not (folder / name).exists() or not alike(list(_lines((folder / name).read_text(encoding="utf-8"))), list(_lines(text)))
    ]


def _lines(text: str) -> Iterator[Any]:
    return (json.loads(line) for line in text.splitlines())


def alike(one: Any, other: Any) -> bool:
    """Compare records; fractions and vectors may differ a little."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            _vectors_alike(one[key], other[key]) if key.endswith("vector") else alike(one[key], other[key]) for key in one
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, abs_tol=TOLERANCE)
    return bool(one == other)


def _vectors_alike(one: str | None, other: str | None) -> bool:
    if one is None or other is None:
        return one is other
    here, there = b64decode(one), b64decode(other)
    # Bytes are signed: 255 and 0 are neighbours.
    return len(here) == len(there) and all(min((a - b) % 256, (b - a) % 256) <= 2 for a, b in zip(here, there, strict=True))


def messages(topic: Topic, folder: Path = FOLDER) -> list[tuple[str, Message | None]]:
    """Read a topic's recorded messages: what each shows, and the message (None: a tombstone)."""
    assert topic.contract is not None
    found = _lines((folder / f"{topic.name}.jsonl").read_text(encoding="utf-8"))
    return [(one["shows"], None if one["value"] is None else topic.contract.from_bytes(json.dumps(one["value"]).encode())) for one in found]

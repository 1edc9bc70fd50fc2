"""Fetch's decisions: one identity, dense versions, every discovery ending in an article or a reason."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from services.ingest.extraction.model import Extracted
from services.ingest.fetch.discover import PageOutcome, Retry, from_check, from_discovery, from_page
from services.ingest.fetch.logic import FetchContext, FetchLogic
from services.ingest.fetch.publish import Schedule
from services.ingest.identity import article_host, canonical_url
from shared.contracts import Article, ArticleStatus, DeadLetter, Discovery, DiscoveryKind, Extraction
from shared.errors import Refused
from shared.ids import article_id
from shared.kafka.decision import Decision, SourceRecord
from shared.topics import DISCOVERIES, key_partition

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SCHEDULE = Schedule(tuple(timedelta(hours=hours) for hours in (1, 6, 24, 72)), timedelta(hours=1))
RETRY = Retry(3, 30, 3600)


async def never(_url: str, _etag: str | None, _modified: str | None) -> PageOutcome:
    raise AssertionError


CONTEXT = FetchContext(
    fetch=never,
    delay_s=lambda _: 1.0,
    clock=lambda: NOW,
    retry=RETRY,
    schedule=SCHEDULE,
    host_concurrency=2,
    pages=asyncio.Semaphore(4),
    state_for=timedelta(days=35),
)
URL = "https://ledger.example/2026/harbour-bridge-reopens"


def discovered(url: str = URL, feed: int = 1, **more: object) -> Discovery:
    fields = {
        "kind": DiscoveryKind.ITEM,
        "feed_id": UUID(int=feed),
        "url": url,
        "source": "The Ledger",
        "title": "Bridge reopens",
        "discovered_at": NOW,
    }
    return Discovery.model_validate({**fields, **more})


def page(
    title: str = "Harbour bridge reopens", text: str = "The harbour bridge reopened on Sunday.", canonical: str = URL, **more: object
) -> Extracted:
    fields: dict[str, object] = {
        "title": title, "text": text, "truncated": False, "summary": "", "authors": (), "image": None, "section": None, "published_at": NOW, "updated_at": None,
        "language": "en", "publisher_name": None, "rel_canonical": None, "og_url": None, "canonical_url": canonical_url(canonical), "extraction": Extraction.FULL,
    }  # fmt: skip
    return Extracted(**{**fields, **more})  # type: ignore[arg-type]


class World:
    """A partition in memory: applies decisions, keeps what was put out and what the changelog would hold."""

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.logic = FetchLogic(partition, CONTEXT)
        self.changelog: dict[str, bytes] = {}
        self.articles: list[Article] = []
        self.letters: list[DeadLetter] = []
        self.forwarded: list[Discovery] = []
        self.offset = 0

    def take(self, decision: Decision) -> Decision:
        self.logic.apply(decision)
        for key, value in decision.changes.items():
            if value is None:
                self.changelog.pop(key, None)
            else:
                self.changelog[key] = value
        for output in decision.outputs:
            {Article: self.articles, DeadLetter: self.letters, Discovery: self.forwarded}[type(output.value)].append(output.value)  # type: ignore[index, attr-defined]
        return decision

    def discover(self, discovery: Discovery, now: datetime = NOW) -> Decision:
        record = SourceRecord(DISCOVERIES.name, self.partition, self.offset, b"host", discovery.to_bytes(), int(now.timestamp() * 1000))
        self.offset += 1
        return self.take(from_discovery(self.logic, discovery, record, now, SCHEDULE))

    def fetch(self, outcome: PageOutcome, url: str = URL) -> Decision:
        return self.take(from_page(self.logic, article_id(canonical_url(url)), outcome, RETRY, SCHEDULE, self.partition))

    def check(self, outcome: PageOutcome, *, host_fails: bool = False) -> Decision:
        return self.take(from_check(self.logic, article_id(canonical_url(URL)), outcome, SCHEDULE, host_fails=host_fails))

    @property
    def state(self) -> object:
        return self.logic.articles[article_id(canonical_url(URL))]


@pytest.fixture
def world() -> World:
    return World(key_partition(article_host(canonical_url(URL)), DISCOVERIES))


def ok(at: datetime = NOW, **of_page: object) -> PageOutcome:
    return PageOutcome(at=at, final_url=URL, page=page(**of_page))  # type: ignore[arg-type]


def test_an_article_through_five_feeds_is_one_article_with_five_appearances_fetched_once(world: World) -> None:
    for feed in (1, 2, 3):
        world.discover(discovered(feed=feed))
    assert len(world.logic.pending) == 1
    world.fetch(ok())
    for feed in (4, 5):
        world.discover(discovered(url=f"{URL}?utm_source=feed{feed}#top", feed=feed))
    assert not world.logic.pending
    assert {article.article_id for article in world.articles} == {article_id(canonical_url(URL))}
    assert [article.version for article in world.articles] == [1, 1, 1]
    assert world.articles[-1].appearances == tuple(UUID(int=feed) for feed in (1, 2, 3, 4, 5))


def test_a_changed_text_is_the_next_version_and_a_changed_counter_is_none(world: World) -> None:
    world.discover(discovered())
    world.fetch(ok())
    world.check(ok(NOW + timedelta(hours=1), text="The harbour  bridge reopened on SUNDAY."))
    assert [article.version for article in world.articles] == [1]
    world.check(ok(NOW + timedelta(hours=6), text="The harbour bridge reopened on Monday."))
    assert [article.version for article in world.articles] == [1, 2]
    assert world.articles[1].published_at == world.articles[0].published_at


def test_410_withdraws_at_once_and_a_page_that_is_back_is_published_again(world: World) -> None:
    world.discover(discovered())
    world.fetch(ok())
    world.check(PageOutcome(at=NOW + timedelta(hours=1), gone=True))
    assert (world.articles[-1].version, world.articles[-1].status, world.articles[-1].text) == (2, ArticleStatus.WITHDRAWN, "")
    world.discover(discovered(title="Bridge reopens, corrected"), NOW + timedelta(hours=2))
    world.fetch(ok(NOW + timedelta(hours=2)))
    assert (world.articles[-1].version, world.articles[-1].status) == (3, ArticleStatus.PUBLISHED)


def test_404_withdraws_at_the_second_check_an_hour_later_and_not_before(world: World) -> None:
    world.discover(discovered())
    world.fetch(ok())
    world.check(PageOutcome(at=NOW + timedelta(hours=1), missing=True))
    world.check(PageOutcome(at=NOW + timedelta(hours=1, minutes=30), missing=True))
    assert len(world.articles) == 1
    world.check(PageOutcome(at=NOW + timedelta(hours=2), missing=True))
    assert world.articles[-1].status is ArticleStatus.WITHDRAWN


def test_a_failing_host_withdraws_nothing(world: World) -> None:
    world.discover(discovered())
    world.fetch(ok())
    world.check(PageOutcome(at=NOW + timedelta(hours=1), gone=True), host_fails=True)
    assert [article.status for article in world.articles] == [ArticleStatus.PUBLISHED]


def test_checks_happen_four_times_after_publication_and_then_end(world: World) -> None:
    world.discover(discovered())
    world.fetch(ok())
    planned = []
    while (due_at := world.state.next_check_at) is not None:  # type: ignore[attr-defined]
        planned.append(due_at - NOW)
        world.check(PageOutcome(at=due_at, unchanged=True))
    assert planned == [timedelta(hours=hours) for hours in (1, 6, 24, 72)]


def test_a_page_that_fails_is_tried_again_and_then_the_feeds_own_text_is_published(world: World) -> None:
    world.discover(discovered(summary="The bridge is open to traffic again."))
    pauses = []
    for _ in range(3):
        before = world.logic.pending[article_id(canonical_url(URL))].not_before if world.logic.pending else NOW
        world.fetch(PageOutcome(at=NOW, failed="timeout"))
        if world.logic.pending:
            pauses.append(world.logic.pending[article_id(canonical_url(URL))].not_before - before)
    [article] = world.articles
    assert (article.text, article.extraction) == ("The bridge is open to traffic again.", Extraction.SUMMARY)
    assert article.extraction_note == "fetch_failed: timeout (3 tries)"
    assert not world.logic.pending
    assert pauses == [timedelta(seconds=30), timedelta(seconds=30)]


def test_retry_after_is_obeyed(world: World) -> None:
    world.discover(discovered())
    world.fetch(PageOutcome(at=NOW, failed="503", retry_after_s=600))
    assert world.logic.pending[article_id(canonical_url(URL))].not_before == NOW + timedelta(minutes=10)


def test_a_page_that_can_never_be_had_becomes_a_dead_letter_that_holds_the_discovery(world: World) -> None:
    world.discover(discovered())
    world.fetch(PageOutcome(at=NOW, refused=Refused("too_many_redirects", "9 redirects")))
    [letter] = world.letters
    assert (letter.stage, letter.reason, letter.topic, letter.offset) == ("fetch", "too_many_redirects", DISCOVERIES.name, 0)
    assert not world.articles
    assert not world.logic.pending


def test_a_shut_page_gives_the_feeds_text(world: World) -> None:
    world.discover(discovered(text="A long text that the feed carries.", title="The feed's title"))
    world.fetch(ok(title="Please accept cookies", text="We value your privacy", extraction=Extraction.BLOCKED))
    assert (world.articles[0].title, world.articles[0].text) == ("The feed's title", "A long text that the feed carries.")


def test_a_page_that_says_next_to_nothing_leaves_the_word_to_the_feed(world: World) -> None:
    """A page that only leads elsewhere gives neither the title nor the text."""
    world.discover(discovered(summary="The bridge over the harbour reopened to cars on Sunday after two years."))
    world.fetch(ok(title="Redirecting", text="One moment.", extraction=Extraction.SUMMARY, note="short"))
    [article] = world.articles
    assert (article.title, article.text) == ("Bridge reopens", "The bridge over the harbour reopened to cars on Sunday after two years.")
    assert article.extraction is Extraction.SUMMARY


def test_the_feeds_words_have_their_own_language(world: World) -> None:
    """Whatever a wall's is, or what the feed declares for all of its items."""
    words = {
        "title": "Die Brücke ist wieder offen",
        "summary": "Die Hafenbrücke wurde am Sonntag nach zwei Jahren wieder für Autos geöffnet.",
    }
    world.discover(discovered(**words))
    world.fetch(ok(title="Before you continue", text="", language="en", extraction=Extraction.BLOCKED, note="consent"))
    other = URL.replace("reopens", "is-open")
    world.discover(discovered(other, language="en", **words))
    world.fetch(PageOutcome(NOW, refused=Refused("not_html", "a PDF")), other)
    assert [article.language for article in world.articles] == ["de", "de"]


def test_readers_are_led_to_the_page_that_the_outlet_names_and_checks_to_the_one_that_was_found(world: World) -> None:
    """Not to the one for phones, and without what follows them. A link that names another page is not believed."""
    found = URL.replace("/2026/", "/amp/2026/") + "?utm_source=rss"
    world.discover(discovered(found))
    world.fetch(replace(ok(rel_canonical=URL), final_url=found))
    assert world.articles[0].url == URL
    assert world.state.url == found  # type: ignore[attr-defined]
    world.check(replace(ok(text="The bridge reopened on Monday.", rel_canonical="https://ledger.example/elsewhere"), final_url=found))
    assert world.articles[1].url == found


def test_a_published_url_holds_no_user_and_password(world: World) -> None:
    """They stay where the page is fetched with them."""
    private = URL.replace("https://", "https://reader:s3cret@")
    world.discover(discovered(private))
    world.fetch(replace(ok(), final_url=private))
    world.take(from_check(world.logic, article_id(canonical_url(URL)), PageOutcome(NOW, gone=True), SCHEDULE, host_fails=False))
    assert [article.url for article in world.articles] == [URL, URL]


def test_a_canonical_url_of_the_same_owner_is_the_article_and_later_discoveries_of_the_alias_find_it(world: World) -> None:
    canonical = "https://ledger.example/2026/bridge"
    world.discover(discovered())
    world.fetch(ok(canonical=canonical))
    assert world.articles[0].article_id == article_id(canonical_url(canonical))
    world.discover(discovered(feed=2))
    assert not world.logic.pending
    assert world.articles[-1].appearances == (UUID(int=1), UUID(int=2))


def test_an_article_of_another_owner_is_handed_over_whole(world: World) -> None:
    elsewhere = next(
        url
        for number in range(100)
        if key_partition(article_host(canonical_url(url := f"https://part{number}.ledger.example/bridge")), DISCOVERIES) != world.partition
    )
    world.discover(discovered())
    world.fetch(ok(canonical=elsewhere))
    assert not world.articles
    [handed] = world.forwarded
    assert (handed.kind, canonical_url(handed.url or ""), handed.text) == (DiscoveryKind.ARTICLE, canonical_url(elsewhere), page().text)
    other = World(key_partition(article_host(canonical_url(elsewhere)), DISCOVERIES))
    other.discover(handed)
    assert [article.article_id for article in other.articles] == [article_id(canonical_url(elsewhere))]
    world.discover(discovered(feed=2))
    other.discover(world.forwarded[-1])
    assert other.articles[-1].appearances == (UUID(int=1), UUID(int=2))


def test_a_whole_article_is_published_once_and_its_repeat_changes_nothing(world: World) -> None:
    whole = discovered(kind=DiscoveryKind.ARTICLE, feed_id=None, text="Whole text.", language="en", published_at=NOW - timedelta(days=400))
    world.discover(whole)
    decision = world.discover(whole, NOW + timedelta(hours=2))
    assert decision == Decision()
    assert [article.version for article in world.articles] == [1]
    assert world.articles[0].published_at == NOW - timedelta(days=400)


def test_an_article_without_url_has_its_identity_from_source_and_id(world: World) -> None:
    whole = Discovery(kind=DiscoveryKind.ARTICLE, source="neus", item_id="train 1/2", title="A title", discovered_at=NOW)
    world.discover(whole)
    assert world.articles[0].canonical_url == "urn:slugline:neus:train%201%2F2"
    assert world.articles[0].publisher.id == "neus"


def test_an_article_with_neither_title_nor_text_is_refused(world: World) -> None:
    with pytest.raises(Refused, match="no_content"):
        world.discover(discovered(kind=DiscoveryKind.ARTICLE, title=""))


def test_a_restart_restores_the_very_state(world: World) -> None:
    world.discover(discovered())
    world.fetch(ok())
    world.discover(discovered(url="https://ledger.example/other"))
    restored = FetchLogic(world.partition, CONTEXT)
    for key, value in world.changelog.items():
        restored.restore(key, value)
    assert (restored.articles, restored.pending, restored.fresh) == (world.logic.articles, world.logic.pending, world.logic.fresh)


def test_ids_of_feeds_are_kept_up_to_a_limit(world: World) -> None:
    world.discover(discovered())
    world.fetch(ok())
    for _ in range(210):
        world.discover(discovered().model_copy(update={"feed_id": uuid4()}))
    assert len(world.articles[-1].appearances) == 200


async def test_pages_are_fetched_and_their_places_given_back() -> None:
    """More pages than places, on many hosts: all are read, never more at once than there are places."""
    at_once = most = 0

    async def fetch(url: str, _etag: str | None, _modified: str | None) -> PageOutcome:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1
        return PageOutcome(at=NOW, final_url=url, page=page(canonical=url))

    pages = asyncio.Semaphore(3)
    logic = FetchLogic(0, replace(CONTEXT, fetch=fetch, pages=pages, delay_s=lambda _: 0.0))
    done = asyncio.Event()

    async def submit(decide: Callable[[], Decision]) -> None:
        logic.apply(decide())
        if not logic.pending:
            done.set()

    for number in range(50):
        discovery = discovered(f"https://host{number % 20}.example/{number}")
        record = SourceRecord(DISCOVERIES.name, 0, number, b"host", discovery.to_bytes(), int(NOW.timestamp() * 1000))
        logic.apply(logic.decide(record))
    act = asyncio.create_task(logic.act(submit))
    async with asyncio.timeout(10):
        await done.wait()
    act.cancel()
    await asyncio.gather(act, return_exceptions=True)
    assert most == 3
    async with asyncio.timeout(10):
        for _ in range(3):
            await pages.acquire()

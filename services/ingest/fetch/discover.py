"""What follows from a discovery, and from the fetch of a page. Pure: state is read through a view, time is an argument."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from services.ingest.control import BLOCKED
from services.ingest.extraction.model import Extracted
from services.ingest.fetch.publish import Content, Schedule, appear, checked, publish, withdraw
from services.ingest.fetch.state import (
    Alias,
    ArticleState,
    Fresh,
    Origin,
    Pending,
    alias_key,
    article_key,
    pending_key,
)
from services.ingest.identity import article_host, canonical_url, publisher_of, unlinked_urn
from services.ingest.language import UNKNOWN, detect_language
from services.ingest.text import one_line
from shared.contracts import Discovery, DiscoveryKind, Extraction, Publisher
from shared.errors import Refused
from shared.ids import article_id
from shared.kafka.dead_letters import dead_letter
from shared.kafka.decision import Decision, Output, SourceRecord
from shared.topics import DISCOVERIES, key_partition
from shared.traces import parent_of


class View(Protocol):
    """The partition's state, to be read."""

    articles: dict[UUID, ArticleState]
    pending: dict[UUID, Pending]
    aliases: dict[UUID, Alias]
    fresh: dict[UUID, Fresh]


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how late a fetch is tried again."""

    tries: int
    first_s: float
    longest_s: float

    def pause(self, tries: int, retry_after_s: float | None) -> timedelta:
        """Give the pause after the `tries`-th try; the outlet's Retry-After counts, up to the longest pause."""
        return timedelta(seconds=min(max(self.first_s * 2.0 ** (tries - 1), retry_after_s or 0.0), self.longest_s))


@dataclass(frozen=True, slots=True)
class PageOutcome:
    """How the fetch of a page went. Exactly one of `page`, `unchanged`, `gone`, `missing`, `refused`, `failed` says it."""

    at: datetime
    final_url: str = ""
    page: Extracted | None = None
    unchanged: bool = False
    gone: bool = False
    missing: bool = False
    refused: Refused | None = None
    """It will not be different at the next try."""
    failed: str | None = None
    """It may be different at the next try."""
    retry_after_s: float | None = None
    etag: str | None = None
    last_modified: str | None = None


def from_discovery(view: View, discovery: Discovery, record: SourceRecord, now: datetime, schedule: Schedule) -> Decision:
    """Decide what a discovery changes: a page to fetch, another appearance, or a whole article's version."""
    feed_ids = (discovery.feed_id,) if discovery.feed_id else ()
    canonical = canonical_of(discovery)
    identity = article_id(canonical)
    alias = view.aliases.get(identity)
    if alias is not None and alias.elsewhere and discovery.kind is DiscoveryKind.ITEM:
        # its page belongs to another owner, who may not know of this feed yet
        forwarded = discovery.model_copy(update={"url": alias.canonical_url})
        return Decision((Output(DISCOVERIES, article_host(alias.canonical_url), forwarded),))
    if alias is not None and not alias.elsewhere:
        identity = article_id(alias.canonical_url)
    known = view.articles.get(identity)
    if discovery.kind is DiscoveryKind.ARTICLE:
        return publish(known, posted(discovery, canonical, feed_ids), now, schedule)
    waiting = view.pending.get(identity)
    if waiting is not None:
        merged = waiting.model_copy(update={"feed_ids": tuple(dict.fromkeys((*waiting.feed_ids, *feed_ids)))})
        return Decision(changes={pending_key(identity): merged.model_dump_json().encode()} if merged != waiting else {})
    if known is not None and not set(feed_ids) <= set(known.appearances):
        return appear(known, view.fresh.get(identity), feed_ids, now)
    origin = Origin(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=record.timestamp_ms,
        traceparent=parent_of(record.headers),
    )
    pending = Pending(discovery=discovery, canonical_url=canonical, feed_ids=feed_ids, origin=origin, not_before=now)
    return Decision(changes={pending_key(identity): pending.model_dump_json().encode()})


def canonical_of(discovery: Discovery) -> str:
    """Give the canonical URL of what was discovered, before its page says more. Raises `Refused` for a URL that is none."""
    if discovery.url is not None:
        return canonical_url(discovery.url)
    assert discovery.source is not None
    assert discovery.item_id is not None
    return unlinked_urn(discovery.source, discovery.item_id)


def from_page(view: View, key: UUID, outcome: PageOutcome, retry: Retry, schedule: Schedule, partition: int) -> Decision:
    """Decide what the fetch of a pending page changes; `key` is the pending fetch's."""
    pending = view.pending.get(key)
    if pending is None:
        return Decision()
    done: dict[str, bytes | None] = {pending_key(key): None}
    if outcome.failed is not None:
        tries = pending.tries + 1
        if tries < retry.tries:
            again = pending.model_copy(
                update={
                    "tries": tries,
                    "last_error": outcome.failed[:500],
                    "not_before": outcome.at + retry.pause(tries, outcome.retry_after_s),
                }
            )
            return Decision(changes={pending_key(key): again.model_dump_json().encode()})
        return _fall_back(view, pending, Refused("fetch_failed", f"{outcome.failed} ({tries} tries)"), outcome, schedule, done)
    if outcome.gone or outcome.missing:
        known = view.articles.get(key)
        if known is not None and outcome.gone:
            return _joined(withdraw(known, outcome.at), done)
        status = "410 gone" if outcome.gone else "404 not found"
        return _letter(pending, Refused("page_gone", f"{pending.canonical_url} answers {status}"), done)
    if outcome.refused is not None and outcome.refused.reason == BLOCKED:
        return _letter(pending, outcome.refused, done)  # not even in another's words; its letter can be sent again once it is freed
    if outcome.refused is not None:
        return _fall_back(view, pending, outcome.refused, outcome, schedule, done)
    if outcome.page is None:  # 304: nothing new for a page that is known
        known = view.articles.get(key)
        return _joined(appear(known, view.fresh.get(key), pending.feed_ids, outcome.at) if known else Decision(), done)
    return _read(view, pending, outcome, schedule, partition, done)


def from_check(view: View, key: UUID, outcome: PageOutcome, schedule: Schedule, *, host_fails: bool) -> Decision:
    """Decide what a second look at a published article's page changes. `host_fails`: too many of the host's checks fail to believe one."""
    known = view.articles.get(key)
    if known is None:
        return Decision()
    if outcome.gone and not host_fails:
        return withdraw(known, outcome.at)
    if outcome.missing and not host_fails:
        if known.missing_since is not None and outcome.at - known.missing_since >= schedule.withdrawn_after:
            return withdraw(known, outcome.at)
        state = checked(known, outcome.at, schedule, missing=True)
        return Decision(changes={article_key(key): state.model_dump_json().encode()})
    decision = Decision()
    if outcome.page is not None:
        content = read_page(outcome.page, outcome, known.canonical_url, None, (), known)
        decision = publish(known, content, outcome.at, schedule)
    now_known = _state_after(decision, known)
    state = checked(now_known, outcome.at, schedule)
    return Decision(decision.outputs, {**decision.changes, article_key(key): state.model_dump_json().encode()})


def posted(discovery: Discovery, canonical: str, feed_ids: tuple[UUID, ...]) -> Content:
    """Read a whole article as it was sent."""
    text, title = discovery.text, one_line(discovery.title)
    name = discovery.source
    publisher = discovery.publisher or (
        publisher_of(discovery.url, name)
        if discovery.url
        else Publisher(id=one_line(name or "unknown", 255), name=one_line(name or "unknown"))
    )
    return Content(
        canonical_url=canonical,
        url=discovery.url or canonical,
        title=title,
        text=text,
        truncated=discovery.truncated,
        summary=discovery.summary,
        authors=discovery.authors,
        image=discovery.image,
        section=discovery.section,
        publisher=publisher,
        language=discovery.language or detect_language(f"{title}\n{text or discovery.summary}"),
        published_at=discovery.published_at,
        extraction=discovery.extraction or (Extraction.FULL if text else Extraction.SUMMARY),
        extraction_note=discovery.extraction_note,
        feed_ids=feed_ids,
    )


def read_page(
    page: Extracted,
    outcome: PageOutcome,
    canonical: str,
    discovery: Discovery | None,
    feed_ids: tuple[UUID, ...],
    known: ArticleState | None,
) -> Content:
    """Combine what a page and its feed's item say: the page's word counts, the feed's where the page is silent or shut."""
    item = discovery
    shut = page.extraction is Extraction.BLOCKED
    text = page.text
    extraction = page.extraction
    if item is not None and (shut or len(item.text) > 2 * len(text)):
        text = item.text or ("" if shut else text)
        extraction = Extraction.FULL if item.text and not shut else Extraction.BLOCKED if not text else Extraction.SUMMARY
    short = page.extraction is Extraction.SUMMARY and page.note == "short"
    if item is not None and short and len(text) < len(item.summary):
        text = item.summary
    # a page that says next to nothing may be one that leads elsewhere, under any title
    title = (item.title if item and (shut or short or not page.title) else page.title) or page.title
    language = page.language
    if item is not None and (language == UNKNOWN or text != page.text or shut):
        # the words are the feed's, and a wall may be in another language
        found = detect_language(f"{title}\n{text or item.summary}", item.language)
        language = language if found == UNKNOWN else found
    name = (item.publisher.name if item and item.publisher else None) or page.publisher_name or (item.source if item else None)
    return Content(
        canonical_url=canonical,
        url=outcome.final_url or canonical,
        link=page.rel_canonical if page.rel_canonical and _is_form_of(page.rel_canonical, canonical) else None,
        title=title,
        text=text,
        truncated=page.truncated,
        summary=(page.summary if not shut else "") or (item.summary if item else ""),
        authors=page.authors or (item.authors if item else ()),
        image=page.image or (item.image if item else None),
        section=page.section or (item.section if item else None),
        publisher=known.publisher if known else publisher_of(canonical, name),
        language=language,
        published_at=page.published_at or (item.published_at if item else None),
        extraction=extraction,
        extraction_note=page.note,
        feed_ids=feed_ids,
        fetched=True,
        etag=outcome.etag,
        last_modified=outcome.last_modified,
    )


def _is_form_of(url: str, canonical: str) -> bool:
    try:
        return canonical_url(url) == canonical
    except Refused:
        return False


def _read(
    view: View, pending: Pending, outcome: PageOutcome, schedule: Schedule, partition: int, done: dict[str, bytes | None]
) -> Decision:
    assert outcome.page is not None
    canonical = outcome.page.canonical_url
    content = read_page(outcome.page, outcome, canonical, pending.discovery, pending.feed_ids, view.articles.get(article_id(canonical)))
    discovered = article_id(pending.canonical_url)
    if article_id(canonical) == discovered:
        return _published(view, content, outcome, schedule, pending, done)
    host = article_host(canonical)
    elsewhere = key_partition(host, DISCOVERIES) != partition
    alias = Alias(canonical_url=canonical, elsewhere=elsewhere, last_seen_at=outcome.at)
    done = {**done, alias_key(discovered): alias.model_dump_json().encode()}
    if not elsewhere:
        return _published(view, content, outcome, schedule, pending, done)
    outputs = tuple(Output(DISCOVERIES, host, whole_article(content, feed_id, outcome.at)) for feed_id in pending.feed_ids or (None,))
    return Decision(outputs, done)


def whole_article(content: Content, feed_id: UUID | None, at: datetime) -> Discovery:
    """Hand an article that another partition owns over to it, whole."""
    return Discovery(
        kind=DiscoveryKind.ARTICLE,
        feed_id=feed_id,
        url=next((url for url in (content.link, content.url) if url and _is_form_of(url, content.canonical_url)), content.canonical_url),
        title=content.title,
        summary=content.summary,
        text=content.text,
        truncated=content.truncated,
        authors=content.authors,
        image=content.image,
        section=content.section,
        publisher=content.publisher,
        language=content.language,
        published_at=content.published_at,
        discovered_at=at,
        extraction=content.extraction,
        extraction_note=content.extraction_note,
    )


def _published(
    view: View, content: Content, outcome: PageOutcome, schedule: Schedule, pending: Pending, done: dict[str, bytes | None]
) -> Decision:
    try:
        return _joined(publish(view.articles.get(article_id(content.canonical_url)), content, outcome.at, schedule), done)
    except Refused as error:
        return _letter(pending, error, done)


def _fall_back(
    view: View, pending: Pending, why: Refused, outcome: PageOutcome, schedule: Schedule, done: dict[str, bytes | None]
) -> Decision:
    """Publish the feed's own words where the page can't be had; without any, say why in a dead letter."""
    item = pending.discovery
    if view.articles.get(article_id(pending.canonical_url)) is not None:
        return Decision(changes=done)
    if not item.text and not item.summary:
        return _letter(pending, why, done)
    content = posted(item, pending.canonical_url, pending.feed_ids)
    extraction = Extraction.FULL if content.text else Extraction.SUMMARY
    content = replace(
        content,
        text=content.text or content.summary,
        extraction=extraction,
        extraction_note=one_line(str(why), 500),
        language=detect_language(f"{content.title}\n{content.text or content.summary}", item.language),
    )
    return _published(view, content, outcome, schedule, pending, done)


def _letter(pending: Pending, why: Refused, done: dict[str, bytes | None]) -> Decision:
    origin = pending.origin
    record = SourceRecord(
        origin.topic,
        origin.partition,
        origin.offset,
        article_host(pending.canonical_url).encode(),
        pending.discovery.to_bytes(),
        origin.timestamp_ms,
    )
    return Decision((dead_letter("fetch", record, why),), done)


def _joined(decision: Decision, changes: dict[str, bytes | None]) -> Decision:
    return Decision(decision.outputs, {**decision.changes, **changes})


def _state_after(decision: Decision, known: ArticleState) -> ArticleState:
    changed = decision.changes.get(article_key(known.article_id))
    return known if changed is None else ArticleState.model_validate_json(changed)

"""Which version of an article follows from what was found. Pure: time comes as an argument."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from services.ingest.fetch.state import ArticleState, Fresh, article_key, fresh_key
from services.ingest.identity import content_hash, without_user
from services.ingest.text import one_line
from shared.contracts import Article, ArticleStatus, Extraction, Publisher
from shared.errors import Refused
from shared.ids import article_id
from shared.kafka.decision import Decision, Output
from shared.topics import ARTICLES

APPEARANCES_LIMIT = 200
TITLE_FROM_TEXT_CHARACTERS = 120


@dataclass(frozen=True, slots=True)
class Content:
    """What is known of an article at one time, whatever way it came."""

    canonical_url: str
    url: str
    """Where it was found, and is looked at again."""
    title: str
    text: str
    truncated: bool
    summary: str
    authors: tuple[str, ...]
    image: str | None
    section: str | None
    publisher: Publisher
    language: str
    published_at: datetime | None
    extraction: Extraction
    extraction_note: str | None = None
    feed_ids: tuple[UUID, ...] = ()
    link: str | None = None
    """Where the page says that readers find it, not for phones and without tracking; absent: `url`."""
    fetched: bool = False
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a fetched page is looked at again."""

    recheck_after: tuple[timedelta, ...]
    withdrawn_after: timedelta

    def next_check(self, published_at: datetime | None, first_fetched_at: datetime, checks_done: int) -> datetime | None:
        """Give the time of the next check; None when all are done. Checks count from publication, but never lie in the past."""
        if checks_done >= len(self.recheck_after):
            return None
        since = min(published_at, first_fetched_at) if published_at else first_fetched_at
        planned = since + self.recheck_after[checks_done]
        return max(planned, first_fetched_at + self.recheck_after[0])


def publish(known: ArticleState | None, content: Content, now: datetime, schedule: Schedule) -> Decision:
    """Make the next version, or none where nothing a reader would see has changed.

    Raises `Refused` (`no_content`) for an article with neither title nor text.
    """
    content = _titled(content)
    digest = content_hash(content.title, content.text)
    appearances = _merged(known.appearances if known else (), content.feed_ids)
    if known is not None and known.status is ArticleStatus.PUBLISHED and (known.content_hash == digest or _is_poorer(known, content)):
        return _unchanged(known, content, appearances, now, schedule)
    identity = known.article_id if known else article_id(content.canonical_url)
    first_fetched_at = known.first_fetched_at if known else now
    published_at = (known.published_at if known else None) or content.published_at
    article = Article(
        article_id=identity,
        version=known.version + 1 if known else 1,
        url=without_user(content.link or content.url),
        canonical_url=content.canonical_url,
        appearances=appearances,
        publisher=content.publisher,
        title=content.title,
        text=content.text,
        truncated=content.truncated,
        summary=content.summary,
        authors=content.authors,
        image=content.image,
        section=content.section,
        language=known.language if known else content.language,
        published_at=published_at,
        fetched_at=now,
        content_hash=digest,
        extraction=content.extraction,
        extraction_note=content.extraction_note,
    )
    checks_done = known.checks_done if known else 0
    state = ArticleState(
        article_id=identity,
        canonical_url=content.canonical_url,
        url=content.url,
        version=article.version,
        status=ArticleStatus.PUBLISHED,
        content_hash=digest,
        appearances=appearances,
        publisher=content.publisher,
        language=article.language,
        published_at=published_at,
        first_fetched_at=first_fetched_at,
        last_seen_at=now,
        etag=content.etag,
        last_modified=content.last_modified,
        fetched=content.fetched or (known.fetched if known else False),
        checks_done=checks_done,
        next_check_at=schedule.next_check(published_at, first_fetched_at, checks_done) if content.fetched else None,
    )
    return _published(state, article)


def appear(known: ArticleState, fresh: Fresh | None, feed_ids: tuple[UUID, ...], now: datetime) -> Decision:
    """Note that further feeds carry a known article. While it is fresh the same version is published with them."""
    appearances = _merged(known.appearances, feed_ids)
    if appearances == known.appearances:
        return Decision()
    state = known.model_copy(update={"appearances": appearances, "last_seen_at": now})
    if fresh is None:
        return Decision(changes={article_key(known.article_id): state.model_dump_json().encode()})
    return _published(state, fresh.article.model_copy(update={"appearances": appearances}))


def withdraw(known: ArticleState, now: datetime) -> Decision:
    """Make the version that withdraws an article: its text is gone, its identity and outlet stay."""
    if known.status is ArticleStatus.WITHDRAWN:
        return Decision()
    article = Article(
        article_id=known.article_id,
        version=known.version + 1,
        status=ArticleStatus.WITHDRAWN,
        url=without_user(known.url),
        canonical_url=known.canonical_url,
        appearances=known.appearances,
        publisher=known.publisher,
        title="",
        language=known.language,
        published_at=known.published_at,
        fetched_at=now,
        content_hash="",
    )
    state = known.model_copy(
        update={
            "version": article.version,
            "status": ArticleStatus.WITHDRAWN,
            "content_hash": "",
            "last_seen_at": now,
            "missing_since": None,
        }
    )
    return Decision(
        (Output(ARTICLES, str(known.article_id), article),),
        {article_key(known.article_id): state.model_dump_json().encode(), fresh_key(known.article_id): None},
    )


def checked(known: ArticleState, now: datetime, schedule: Schedule, *, missing: bool = False) -> ArticleState:
    """Count a check off and plan the next; a page that is missing is looked at again when it may be withdrawn."""
    done = known.checks_done + 1
    next_check_at = schedule.next_check(known.published_at, known.first_fetched_at, done)
    missing_since = (known.missing_since or now) if missing else None
    if missing:
        soon = now + max(schedule.withdrawn_after, timedelta(seconds=1))
        next_check_at = soon if next_check_at is None else min(next_check_at, soon)
    elif next_check_at is not None:
        next_check_at = max(next_check_at, now + timedelta(seconds=1))
    return known.model_copy(update={"checks_done": done, "next_check_at": next_check_at, "missing_since": missing_since})


def _unchanged(known: ArticleState, content: Content, appearances: tuple[UUID, ...], now: datetime, schedule: Schedule) -> Decision:
    state = known.model_copy(
        update={
            "appearances": appearances,
            "etag": content.etag or known.etag,
            "last_modified": content.last_modified or known.last_modified,
            "missing_since": None,
        }
    )
    if content.fetched and not known.fetched:
        state = state.model_copy(update={"fetched": True, "next_check_at": schedule.next_check(known.published_at, now, known.checks_done)})
    if state == known:
        return Decision()
    return Decision(changes={article_key(known.article_id): state.model_copy(update={"last_seen_at": now}).model_dump_json().encode()})


def _is_poorer(known: ArticleState, content: Content) -> bool:
    """Say whether this is the feed's stub, or a wall, of an article whose page we have read: no correction, just less of it."""
    return known.fetched and content.extraction is not Extraction.FULL


def _published(state: ArticleState, article: Article) -> Decision:
    return Decision(
        (Output(ARTICLES, str(article.article_id), article),),
        {
            article_key(state.article_id): state.model_dump_json().encode(),
            fresh_key(state.article_id): Fresh(article=article).model_dump_json().encode(),
        },
    )


def _titled(content: Content) -> Content:
    if content.title:
        return content
    first_line = one_line(content.text.split("\n", 1)[0], TITLE_FROM_TEXT_CHARACTERS)
    if not first_line:
        raise Refused("no_content", f"{content.canonical_url[:300]} has neither a title nor a text")
    return replace(content, title=first_line)


def _merged(before: tuple[UUID, ...], more: tuple[UUID, ...]) -> tuple[UUID, ...]:
    return tuple(dict.fromkeys((*before, *more)))[:APPEARANCES_LIMIT]

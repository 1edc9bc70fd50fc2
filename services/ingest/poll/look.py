"""Looking at a feed: one conditional fetch and its parse, as an outcome. Never raises for what an outlet does."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from services.ingest.extraction.pool import ExtractorPool, PoolBroken
from services.ingest.feeds.model import ChildFeed, ParsedFeed
from services.ingest.http import ACCEPT_FEED, Fetched, Fetcher
from services.ingest.identity import feed_host
from services.ingest.politeness import Politeness
from services.ingest.poll.discover import PollOutcome
from services.ingest.poll.state import FeedState
from shared.errors import Refused
from shared.logs import get_logger

log = get_logger()

SITEMAPS_A_POLL = 3
"""Of an index's sitemaps the newest are read at each poll."""


class FeedLooker:
    """Fetches and parses feeds."""

    def __init__(
        self, fetcher: Fetcher, pool: ExtractorPool, politeness: Politeness, clock: Callable[[], datetime], max_bytes: int
    ) -> None:
        """Keep what to fetch and parse with."""
        self._politeness = politeness
        self._fetcher = fetcher
        self._pool = pool
        self._clock = clock
        self._max_bytes = max_bytes

    async def __call__(self, state: FeedState) -> PollOutcome:
        """Look at a feed once."""
        try:
            await self._politeness.check(state.url, feed_host(state.url))
            answer = await self._fetcher.get(
                state.url, etag=state.etag, last_modified=state.last_modified, accept=ACCEPT_FEED, max_bytes=self._max_bytes
            )
            return await self._read(answer)
        except Refused as error:
            remedy = "; SLUGLINE_POLL_OBEY_ROBOTS=false polls it all the same" if error.reason == "robots_disallowed" else ""
            return PollOutcome(at=self._clock(), error=f"{error}{remedy}")
        except PoolBroken:
            raise  # no document is at fault: the service ends and says why
        except Exception as error:
            # a bug with one feed must not stop the others; it is loud in the log and visible in the feed's status
            log.exception("poll_broke", url=state.url, feed_id=str(state.feed.feed_id))
            return PollOutcome(at=self._clock(), error=f"internal_error: {type(error).__name__}: {error}")

    async def _read(self, answer: Fetched) -> PollOutcome:
        at = self._clock()
        if answer.status == 410:
            return PollOutcome(at=at, gone=True)
        common = PollOutcome(
            at=at,
            etag=answer.etag,
            last_modified=answer.last_modified,
            moved_to=answer.permanent_url,
            retry_after_s=answer.retry_after_s,
            max_age_s=answer.max_age_s,
        )
        if answer.not_modified:
            return replace(common, unchanged=True)
        if answer.status != 200:
            return PollOutcome(
                at=at, error=f"http_{answer.status}: the outlet answered {answer.status}", retry_after_s=answer.retry_after_s
            )
        parsed = await self._pool.parse_feed(answer.body, url=answer.final_url, content_type=answer.content_type, now=at)
        if parsed.children:
            parsed = replace(parsed, items=tuple([item for child in _newest(parsed.children) for item in (await self._child(child)).items]))
        return replace(common, parsed=parsed, moved_to=answer.permanent_url or parsed.moved_to)

    async def _child(self, child: ChildFeed) -> ParsedFeed:
        try:
            answer = await self._fetcher.get(child.url, accept=ACCEPT_FEED, max_bytes=self._max_bytes)
            if answer.status == 200:
                return await self._pool.parse_feed(answer.body, url=answer.final_url, content_type=answer.content_type, now=self._clock())
            log.warning("sitemap_failed", url=child.url, status=answer.status)
        except Refused as error:
            log.warning("sitemap_failed", url=child.url, error=str(error))
        return ParsedFeed(format="unknown")


def _newest(children: tuple[ChildFeed, ...]) -> list[ChildFeed]:
    oldest = datetime(1970, 1, 1, tzinfo=UTC)
    return sorted(children, key=lambda child: child.modified_at or oldest, reverse=True)[:SITEMAPS_A_POLL]

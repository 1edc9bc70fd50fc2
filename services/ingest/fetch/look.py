"""Looking at an article's page: robots.txt, one fetch and its extraction, as an outcome. Never raises for what an outlet does."""

from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

from services.ingest.extraction.pool import ExtractorPool
from services.ingest.fetch.discover import PageOutcome
from services.ingest.http import ACCEPT_PAGE, TRANSIENT, Fetched, Fetcher
from services.ingest.identity import article_host, canonical_url
from services.ingest.robots import RobotsCache
from shared.errors import Refused
from shared.logs import get_logger

log = get_logger()

_TRANSIENT_STATUS = frozenset((408, 409, 420, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529, 530))
_PARSER_MAY_RECOVER = frozenset(("parser_died",))


class PageLooker:
    """Fetches and reads article pages, and remembers what hosts' robots.txt ask for."""

    def __init__(
        self,
        fetcher: Fetcher,
        pool: ExtractorPool,
        robots: RobotsCache | None,
        clock: Callable[[], datetime],
        max_bytes: int,
        delay_s: float,
    ) -> None:
        """Keep what to fetch and read with. Without `robots` none are obeyed."""
        self._fetcher = fetcher
        self._pool = pool
        self._robots = robots
        self._clock = clock
        self._max_bytes = max_bytes
        self._delay_s = delay_s
        self._crawl_delays: dict[str, float] = {}

    def delay_s(self, host: str) -> float:
        """Give the pause between two fetches from a host: ours, or what its robots.txt asks for if that is longer."""
        return max(self._delay_s, self._crawl_delays.get(host, 0.0))

    async def __call__(self, url: str, etag: str | None, last_modified: str | None) -> PageOutcome:
        """Look at a page once."""
        try:
            if (refused := await self._robots_refuse(url)) is not None:
                return PageOutcome(at=self._clock(), final_url=url, refused=refused)
            answer = await self._fetcher.get(url, etag=etag, last_modified=last_modified, accept=ACCEPT_PAGE, max_bytes=self._max_bytes)
            return await self._read(answer)
        except Refused as error:
            if error.reason in TRANSIENT or error.reason in _PARSER_MAY_RECOVER or error.reason == "robots_unreachable":
                return PageOutcome(at=self._clock(), final_url=url, failed=str(error))
            return PageOutcome(at=self._clock(), final_url=url, refused=error)
        except Exception as error:
            # a bug with one page must not stop the others; the page ends as a dead letter that says so
            log.exception("fetch_broke", url=url)
            return PageOutcome(at=self._clock(), final_url=url, refused=Refused("internal_error", f"{type(error).__name__}: {error}"))

    async def _robots_refuse(self, url: str) -> Refused | None:
        if self._robots is None:
            return None
        verdict = await self._robots.verdict(url)
        if verdict.crawl_delay_s:
            self._crawl_delays[article_host(canonical_url(url))] = verdict.crawl_delay_s
        if verdict.allowed:
            return None
        reason = verdict.reason or "robots_disallowed"
        refused = Refused(reason, f"{urlsplit(url).netloc}/robots.txt does not let us fetch {url[:300]}")
        if reason == "robots_unreachable":
            raise refused
        return refused

    async def _read(self, answer: Fetched) -> PageOutcome:
        at = self._clock()
        if answer.status in (404, 410):
            return PageOutcome(at=at, final_url=answer.final_url, gone=answer.status == 410, missing=answer.status == 404)
        if answer.not_modified:
            return PageOutcome(at=at, final_url=answer.final_url, unchanged=True)
        if answer.status in _TRANSIENT_STATUS:
            return PageOutcome(
                at=at,
                final_url=answer.final_url,
                failed=f"http_{answer.status}: the outlet answered {answer.status}",
                retry_after_s=answer.retry_after_s,
            )
        if answer.status != 200:
            refused = Refused(f"http_{answer.status}", f"{answer.final_url[:300]} answered {answer.status}")
            return PageOutcome(at=at, final_url=answer.final_url, refused=refused)
        page = await self._pool.extract(answer.body, url=answer.final_url, content_type=answer.content_type, now=at)
        return PageOutcome(at=at, final_url=answer.final_url, page=page, etag=answer.etag, last_modified=answer.last_modified)

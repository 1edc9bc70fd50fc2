"""Looking at an article's page: robots.txt, one fetch and its extraction, as an outcome. Never raises for what an outlet does."""

from collections.abc import Callable
from datetime import datetime

from services.ingest.extraction.pool import ExtractorPool, PoolBroken
from services.ingest.fetch.discover import PageOutcome
from services.ingest.http import ACCEPT_PAGE, TRANSIENT, Fetched, Fetcher
from services.ingest.identity import article_host, canonical_url
from services.ingest.politeness import Politeness
from shared import traces
from shared.errors import Refused
from shared.logs import get_logger

log = get_logger()

_TRANSIENT_STATUS = frozenset((408, 409, 420, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529, 530))
_PARSER_MAY_RECOVER = frozenset(("parser_died",))


class PageLooker:
    """Fetches and reads article pages that their hosts let us fetch."""

    def __init__(
        self,
        fetcher: Fetcher,
        pool: ExtractorPool,
        politeness: Politeness,
        clock: Callable[[], datetime],
        max_bytes: int,
    ) -> None:
        """Keep what to fetch and read with."""
        self._fetcher = fetcher
        self._pool = pool
        self._politeness = politeness
        self._clock = clock
        self._max_bytes = max_bytes

    async def __call__(self, url: str, etag: str | None, last_modified: str | None) -> PageOutcome:
        """Look at a page once."""
        try:
            await self._politeness.check(url, article_host(canonical_url(url)))
            answer = await self._fetcher.get(url, etag=etag, last_modified=last_modified, accept=ACCEPT_PAGE, max_bytes=self._max_bytes)
            return await self._read(answer)
        except Refused as error:
            if error.reason in TRANSIENT or error.reason in _PARSER_MAY_RECOVER or error.reason == "robots_unreachable":
                return PageOutcome(at=self._clock(), final_url=url, failed=str(error))
            return PageOutcome(at=self._clock(), final_url=url, refused=error)
        except PoolBroken:
            raise  # no document is at fault: the service ends and says why
        except Exception as error:
            # a bug with one page must not stop the others; the page ends as a dead letter that says so
            log.exception("fetch_broke", url=url)
            return PageOutcome(at=self._clock(), final_url=url, refused=Refused("internal_error", f"{type(error).__name__}: {error}"))

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
        with traces.part("extract"):
            page = await self._pool.extract(answer.body, url=answer.final_url, content_type=answer.content_type, now=at)
        return PageOutcome(at=at, final_url=answer.final_url, page=page, etag=answer.etag, last_modified=answer.last_modified)

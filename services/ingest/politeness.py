"""What hosts ask of those who fetch: robots.txt obeyed, and its crawl-delay kept beside our own pause."""

from urllib.parse import urlsplit

from services.ingest.robots import RobotsCache
from shared.errors import Refused


class Politeness:
    """Judges URLs by robots.txt and remembers the pauses that hosts ask for. Without `robots` none are obeyed."""

    def __init__(self, robots: RobotsCache | None, delay_s: float) -> None:
        """Keep the least pause between two fetches from one host, in seconds."""
        self._robots = robots
        self._delay_s = delay_s
        self._crawl_delays: dict[str, float] = {}

    def delay_s(self, host: str) -> float:
        """Give the pause between two fetches from a host: ours, or what its robots.txt asks for if that is longer."""
        return max(self._delay_s, self._crawl_delays.get(host, 0.0))

    async def check(self, url: str, host: str) -> None:
        """Note what the URL's robots.txt asks for; `host` is the name by which its pauses are kept.

        Raises `Refused`: robots_disallowed, robots_unreachable (a passing state), and what makes the URL itself refused.
        """
        if self._robots is None:
            return
        verdict = await self._robots.verdict(url)
        if verdict.crawl_delay_s:
            self._crawl_delays[host] = verdict.crawl_delay_s
        else:
            self._crawl_delays.pop(host, None)
        if not verdict.allowed:
            raise Refused(verdict.reason or "robots_disallowed", f"{urlsplit(url).netloc}/robots.txt does not let us fetch {url[:300]}")

"""Registers the recorded web's feeds with the local instance: `python -m deploy.local.demo OPML_URL`."""

import asyncio
import sys
from datetime import UTC, datetime
from typing import Final

import aiohttp

from services.ingest import opml, registry
from shared.settings import Settings

POLL_INTERVAL_S: Final = 5.0
"""So that a visitor sees stories grow. Other feeds are polled at the worker's own, polite intervals."""


async def register_feeds(opml_url: str, settings: Settings) -> int:
    """Register the feeds of the list at `opml_url` that aren't yet, and give how many were new."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session, session.get(opml_url) as response:
        response.raise_for_status()
        document = await response.read()
    now = datetime.now(UTC)
    known = await registry.registered(settings)
    feeds = [registry.from_outline(outline, now) for outline in opml.read(document)]
    fresh = [feed.model_copy(update={"min_interval_s": POLL_INTERVAL_S}) for feed in feeds if feed.feed_id not in known]
    await registry.register(settings, fresh)
    return len(fresh)


if __name__ == "__main__":
    asyncio.run(register_feeds(sys.argv[1], Settings.load()))

"""Reading feeds of every kind: bytes in, a `ParsedFeed` of plain texts, absolute links and aware times out, or `Refused`."""

from services.ingest.feeds.discover import discover_feeds
from services.ingest.feeds.model import ChildFeed, FeedItem, FeedLink, ParsedFeed, RefusedItem
from services.ingest.feeds.parse import parse_feed

__all__ = ["ChildFeed", "FeedItem", "FeedLink", "ParsedFeed", "RefusedItem", "discover_feeds", "parse_feed"]

"""Identities. Each is a UUID version 5 (RFC 9562) of what it names, so that every process gives the same one."""

from uuid import UUID, uuid5

NAMESPACE = UUID("6e2f1f4e-5f0c-5a43-9d0b-3b8f5d1c7a10")


def feed_id(url: str) -> UUID:
    """Identify a feed by its URL as it was registered."""
    return uuid5(NAMESPACE, f"feed:{url}")


def article_id(canonical_url: str) -> UUID:
    """Identify an article by its canonical URL, or by `urn:slugline:SOURCE:ID` where it has none."""
    return uuid5(NAMESPACE, f"article:{canonical_url}")


def story_id(founding_article_id: UUID, founding: int) -> UUID:
    """Identify a story by the article that founded it and how many stories that article has founded (from 1)."""
    return uuid5(NAMESPACE, f"story:{founding_article_id}:{founding}")


def event_id(story: UUID, revision: int) -> UUID:
    """Identify the event that made a story's revision."""
    return uuid5(NAMESPACE, f"event:{story}:{revision}")


def view_id(name: str) -> UUID:
    """Identify a feed view by its name."""
    return uuid5(NAMESPACE, f"view:{name}")

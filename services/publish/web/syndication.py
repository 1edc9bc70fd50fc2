"""Make feeds of feeds and of stories: what `services.publish.feeds.syndicate` writes."""

from datetime import UTC, datetime
from urllib.parse import quote

from services.publish import read
from services.publish.feeds.syndicate import Item, Syndicated
from services.publish.web.lookup import FeedStories
from services.publish.web.present import safe_href
from services.publish.web.words import number_of

_NOTHING_YET = datetime(2020, 1, 1, tzinfo=UTC)


def of_feed(page: FeedStories, base_url: str, form: str) -> Syndicated:
    """Make a feed of a feed's stories."""
    stories = sorted(page.stories, key=lambda story: story.last_published_at, reverse=True)
    address = f"{base_url}/feeds/{quote(page.feed, safe='/')}"
    return Syndicated(
        feed_id=address,
        title=f"{page.title} · Slugline",
        description=f"{page.title}: each story is one event, told once from every outlet that covered it.",
        home_url=base_url + "/" if page.feed == "top" else address,
        self_url=f"{address}.{form}",
        updated_at=stories[0].last_published_at if stories else _NOTHING_YET,
        items=tuple(_story_item(story, base_url) for story in stories),
        language=page.feed.partition("/")[2] if page.kind == "language" else "und",
    )


def _story_item(story: read.Story, base_url: str) -> Item:
    counts = f"{number_of(story.article_count, 'article')} from {number_of(story.publisher_count, 'independent publisher')}"
    outlets = ", ".join(story.publishers)
    return Item(
        item_id=f"urn:uuid:{story.story_id}",
        url=f"{base_url}/stories/{story.story_id}",
        title=story.headline,
        summary=story.lead or counts,
        published_at=story.first_published_at,
        updated_at=story.last_published_at,
        language=story.language,
        paragraphs=tuple(part for part in (story.lead, f"{counts}: {outlets}." if outlets else f"{counts}.") if part),
    )


def of_story(detail: read.StoryDetail, base_url: str, form: str) -> Syndicated:
    """Make a feed of a story's articles, newest first; each links to its outlet."""
    story = detail.story
    address = f"{base_url}/stories/{story.story_id}"
    members = sorted(detail.members, key=lambda member: member.published_at or member.fetched_at, reverse=True)
    return Syndicated(
        feed_id=f"urn:uuid:{story.story_id}",
        title=story.headline or "Untitled story",
        description=f"{number_of(story.article_count, 'article')} from {number_of(story.publisher_count, 'independent publisher')}",
        home_url=address,
        self_url=f"{address}.{form}",
        updated_at=story.last_published_at,
        items=tuple(
            Item(
                item_id=f"urn:uuid:{member.article_id}",
                url=safe_href(member.url) or f"{address}#source-{member.number}",
                title=member.title,
                summary=member.publisher_name,
                published_at=member.published_at or member.fetched_at,
                updated_at=member.published_at or member.fetched_at,
                language=member.language,
                author=member.publisher_name,
            )
            for member in members
        ),
        language=story.language,
    )

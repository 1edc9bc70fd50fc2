"""The JSON API and the event stream. Every error is a problem (RFC 9457); every list has a cursor that stays right."""

import re
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Request
from pydantic import BeforeValidator
from pydantic_core import to_json
from starlette.responses import RedirectResponse, Response

from services.publish import read
from services.publish.web import answers
from services.publish.web.cursor import PATTERN, read_cursor, write_cursor
from services.publish.web.fanout import Interest
from services.publish.web.limits import client_key
from services.publish.web.lookup import all_feeds, check_feed, feed_stories, search_stories, story_to_follow, whole_story
from services.publish.web.metrics import LISTENERS
from services.publish.web.position import read_position
from services.publish.web.present import feed_title
from services.publish.web.problems import RESPONSES, ProblemRaised, not_found
from services.publish.web.site import Site
from services.publish.web.streams import EventStream
from shared.errors import Unreachable

SOURCES = 200
"""Sources in one answer about a story; `/sources` has them all."""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

Cursor = Annotated[str | None, Query(description="where to go on, as `next` gave it", json_schema_extra={"pattern": PATTERN})]
Limit = Annotated[int, Query(ge=1, le=100, description="how many")]
StoryId = Annotated[UUID, Path(description="a story's id; a merged story's redirects")]
FeedId = Annotated[str, Path(description="such as top, language/en, publisher/example.org", max_length=400)]


def _as_written(day: object) -> object:
    """Let a day be written in one way alone: else 20260105 were seconds since 1970."""
    if isinstance(day, str) and not _DAY.fullmatch(day):
        raise ValueError("write a day as 2026-01-05")
    return day


Day = Annotated[date | None, BeforeValidator(_as_written)]


def _json(told: Any) -> Response:
    return Response(to_json(told), media_type="application/json")


def _after(cursor: str | None) -> read.Page | None:
    if cursor is None:
        return None
    page = read_cursor(cursor)
    if page is None:
        raise ProblemRaised(400, "The cursor is not one that an answer gave as `next`. Begin again without it.")
    return page


def midnight(day: date | None, site: Site) -> datetime | None:
    """Give a day's beginning in UTC; None for no day."""
    return None if day is None else datetime.combine(day, time(), site.now().tzinfo)


def day_after(day: date | None) -> date | None:
    """Give the next day, as far as the calendar goes."""
    return None if day is None else day + timedelta(days=1) if day < date.max else day


def router(site: Site) -> APIRouter:
    """Make the routes under /api."""
    routes = APIRouter(prefix="/api", responses=RESPONSES)

    @routes.get("/feeds", response_model=answers.FeedList, tags=["Feeds"], summary="All feeds")
    async def feeds(request: Request) -> Response:
        """List the feeds that have stories or that an operator defined."""
        base_url = site.base_url(request)
        async with site.connections.read() as db:
            found = await all_feeds(site, db)
        return _json(
            {
                "feeds": [
                    {
                        "id": feed.feed,
                        "kind": feed.kind,
                        "title": feed_title(feed.feed, feed.title),
                        "story_count": feed.story_count,
                        "last_published_at": feed.last_published_at,
                        "url": f"{base_url}/feeds/{feed.feed}",
                    }
                    for feed in found
                ]
            }
        )

    @routes.get("/feeds/{feed:path}", response_model=answers.FeedAnswer, tags=["Feeds"], summary="A feed's stories")
    async def feed_page(request: Request, feed: FeedId, cursor: Cursor = None, limit: Limit = 30) -> Response:
        """Give a page of a feed, the first story first."""
        base_url = site.base_url(request)
        async with site.connections.read() as db:
            page = await feed_stories(site, db, feed, after=_after(cursor), limit=limit)
        return _json(
            {
                "id": page.feed,
                "title": page.title,
                "stories": [answers.story_card(story, base_url) for story in page.stories],
                "next": write_cursor(page.next) if page.next else None,
            }
        )

    @routes.get(
        "/stories/{story_id}",
        response_model=answers.StoryAnswer,
        tags=["Stories"],
        summary="A story",
        responses={308: {"description": "merged into the story at Location"}},
    )
    async def story(
        request: Request,
        story_id: StoryId,
        since: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="mark what is new since this revision")] = None,
    ) -> Response:
        """Give a story with its brief and sources."""
        async with site.connections.read() as db:
            found = await whole_story(db, story_id, member_limit=SOURCES)
            if isinstance(found, read.Redirect):
                # Without `since`: the revisions of the story that it was merged into are other ones.
                return RedirectResponse(f"{site.base_url(request)}/api/stories/{found.story_id}", status_code=308)
            changes = None if since is None else await read.changes_since(db, story_id, since)
        return _json(answers.story_answer(found, changes, site.base_url(request)))

    @routes.get(
        "/stories/{story_id}/history",
        response_model=answers.HistoryAnswer,
        tags=["Stories"],
        summary="A story's revisions",
    )
    async def history(
        story_id: StoryId,
        since: Annotated[int, Query(ge=0, le=2**31 - 1, description="only revisions after this one")] = 0,
        before: Annotated[int, Query(ge=1, le=2**31 - 1, description="only revisions before this one")] = 2**31 - 1,
        limit: Limit = 50,
    ) -> Response:
        """Give what happened to a story, newest first. A merged story has its own history, up to the merge."""
        async with site.connections.read() as db:
            found = await read.history(db, story_id, after_revision=since, before_revision=before, limit=limit + 1)
            if not found and await read.resolve(db, story_id) is None:
                raise not_found("story")
        return _json(
            {
                "story_id": story_id,
                "revisions": [answers.revision_answer(change) for change in found[:limit]],
                "next": found[limit - 1].revision if len(found) > limit else None,
            }
        )

    @routes.get("/search", response_model=answers.SearchAnswer, tags=["Stories"], summary="Search")
    async def search(
        request: Request,
        q: Annotated[str, Query(description='words; "a phrase", or, and a leading minus mean what they say', max_length=300)],
        language: Annotated[str | None, Query(pattern=r"^[a-z]{2,3}$", description="ISO 639 code, such as en")] = None,
        after: Annotated[Day, Query(description="stories with news on or after this day")] = None,
        before: Annotated[Day, Query(description="stories that began on or before this day")] = None,
        cursor: Cursor = None,
        limit: Limit = 20,
    ) -> Response:
        """Find stories by words of their headlines, briefs and articles."""
        base_url = site.base_url(request)
        found = await search_stories(
            site,
            q,
            language=language,
            after=midnight(after, site),
            before=midnight(day_after(before), site),
            limit=limit,
            page=_after(cursor),
        )
        return _json(
            {
                "query": q,
                "guessed": found.guessed,
                "stories": [answers.story_card(hit.story, base_url) | {"snippet": hit.snippet} for hit in found.hits],
                "next": write_cursor(found.next) if found.next else None,
            }
        )

    @routes.get("/articles/{article_id}", response_model=answers.ArticleAnswer, tags=["Articles"], summary="An article")
    async def article(article_id: Annotated[UUID, Path(description="an article's id")]) -> Response:
        """Give an article in its latest version, and which story it is in."""
        async with site.connections.read() as db:
            found = await read.article(db, article_id)
        if found is None:
            raise not_found("article")
        return _json(answers.article_answer(found))

    @routes.get(
        "/stream",
        tags=["Stream"],
        summary="Events as they happen",
        status_code=200,
        response_class=EventStream,
        responses={
            200: {"description": "an event stream", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
            308: {"description": "the story was merged: the stream of the one at Location"},
        },
    )
    async def stream(
        request: Request,
        feed: Annotated[str | None, Query(max_length=400, description="only stories of this feed")] = None,
        story: Annotated[UUID | None, Query(description="only this story")] = None,
        rows: Annotated[bool, Query(description="tell also when a story's rows or brief changed, as `rows` events without id")] = False,
        revisions: Annotated[
            bool,
            Query(
                description="false: no `story` events; with `rows` then, `revised` names once a second which stories have a new revision"
            ),
        ] = True,
        last_event_id: Annotated[str | None, Header(max_length=400, description="the id of the last event that was heard")] = None,
        since: Annotated[str | None, Query(max_length=400, description="as Last-Event-ID, for clients that can't send it")] = None,
    ) -> Response:
        """Follow every revision of every story as `story` events.

        An event's id says where the stream stands in all partitions of the history. A listener that comes back with it gets all that
        came since, without a hole and without a double; a `reset` event says that this is no longer kept: read the state anew.
        """
        asked = last_event_id or since
        position = read_position(asked) if asked else None
        with suppress(Unreachable):  # a listener that comes back while the database is away waits for it, unexamined
            async with site.connections.read() as db:
                if feed is not None:
                    await check_feed(site, db, feed)
                if story is not None and (living := await story_to_follow(db, story, position)) != story:
                    return RedirectResponse(f"?{request.url.include_query_params(story=living).query}", status_code=308)
        client = client_key(request.client.host) if request.client else ""
        if (
            site.fanout.listeners >= site.settings.stream_listeners
            or site.fanout.listeners_of(client) >= site.settings.stream_listeners_per_client
        ):
            raise ProblemRaised(503, "There are as many listeners as this server takes. Try again later.", headers={"Retry-After": "30"})
        listener = site.fanout.register(Interest(feed=feed, story_id=story, rows=rows, revisions=revisions), client)
        LISTENERS.inc()

        def closed() -> None:
            site.fanout.unregister(listener)
            LISTENERS.dec()

        return EventStream(
            site.fanout.events(listener, position, forgotten=asked is not None and position is None),
            retry_ms=site.settings.stream_retry_ms,
            stall_s=site.settings.stream_stall_s,
            closed=closed,
        )

    return routes

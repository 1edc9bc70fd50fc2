"""The pages: each reads, makes its view model, and renders. A live page asks for itself again with `fragment=1`."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from services.publish import read
from services.publish.feeds.syndicate import MEDIA_TYPES, write
from services.publish.web import describe, present, syndication, views
from services.publish.web.api import day_after, midnight
from services.publish.web.cursor import read_cursor, write_cursor
from services.publish.web.lookup import about_publisher, all_feeds, feed_stories, search_stories, whole_story
from services.publish.web.problems import ProblemRaised, not_found
from services.publish.web.render import assets, render
from services.publish.web.site import Site
from services.publish.web.words import language_name, number_of, short

LATEST = 7
"""Stories under "Just in"; those that stand large beside it are left out."""
LARGE = 5
PICTURED = 40
"""Members of the leading story among which its picture is looked for."""
SOURCES = 60
"""Sources on a story's page; a longer list has a page of its own."""
SOURCES_PAGE = 100
REVISIONS = 30
PUBLISHERS = 60
SEARCH_PAGE = 20
FORM_BYTES = 10_000
FORM_S = 10
FOREVER = "public, max-age=31536000, immutable"


def _html(body: bytes, status: int = 200) -> Response:
    return Response(body, status_code=status, media_type="text/html")


def _fragment(request: Request) -> bool:
    return request.query_params.get("fragment") == "1"


def _after(request: Request) -> read.Page | None:
    cursor = request.query_params.get("cursor")
    if not cursor:
        return None
    page = read_cursor(cursor)
    if page is None:
        raise not_found("page")
    return page


def _id(text: str, what: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise not_found(what) from None


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def _revision(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and 0 < len(text) < 10 and int(text) else None


def same_site(headers: Mapping[str, str]) -> bool:
    """Tell whether a form was sent from a page of this site, as far as the browser says."""
    if (site := headers.get("sec-fetch-site")) is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


def message(
    site: Site, request: Request, status: int, heading: str, paragraphs: list[str], *, kicker: str = "", ways: Any = None
) -> Response:
    """Answer with a page that says one thing."""
    frame = site.frame(request, f"{heading} · Slugline", noindex=True)
    if status >= 500:  # how old the stories are is another matter where none can be read
        frame = replace(frame, freshness=views.Freshness("fresh"))
    body = render(
        "message.html",
        frame,
        kicker=kicker,
        heading=heading,
        paragraphs=paragraphs,
        ways=ways or (("/", "Top Headlines"), ("/feeds", "Feeds"), ("/search", "Search")),
    )
    return _html(body, status)


def router(site: Site) -> APIRouter:
    """Make the routes of the pages."""
    routes = APIRouter(include_in_schema=False)
    settings = site.settings

    @routes.get("/")
    async def front(request: Request) -> Response:
        async with site.connections.read() as db:
            found = await feed_stories(site, db, "top", after=None, limit=settings.page_stories)
            latest = await read.latest_stories(db, limit=LATEST + LARGE)
            picture = None
            if settings.picture_sources and found.stories:
                members = await read.members(db, found.stories[0].story_id, limit=PICTURED)
                picture = present.picture(found.stories[0].headline, members, settings.picture_sources)
        large = {story.story_id for story in found.stories[:LARGE]}
        page = views.FeedPage(
            feed_id="top",
            title=found.title,
            kind="top",
            cards=tuple(map(present.card, found.stories)),
            latest=tuple(present.card(story) for story in latest if story.story_id not in large)[:LATEST],
            picture=picture,
            cursor=write_cursor(found.next) if found.next else None,
        )
        frame = site.frame(
            request,
            "Slugline: Top Headlines",
            description="One event, told once, from every outlet that covered it.",
            feed="top",
            feed_title=found.title,
            live=True,
        )
        return _html(render("front.html", frame, fragment=_fragment(request), page=page))

    @routes.get("/feeds")
    async def feeds(request: Request) -> Response:
        async with site.connections.read() as db:
            found = await all_feeds(site, db)
        groups = present.feed_groups(found, most_publishers=PUBLISHERS)
        return _html(render("feeds.html", site.frame(request, "Feeds · Slugline"), groups=groups))

    @routes.get("/feeds/{feed:path}")
    async def feed_page(request: Request, feed: str) -> Response:
        name, _, form = feed.rpartition(".")
        if name and form in MEDIA_TYPES:
            return await _syndicated_feed(request, name, form)
        if feed.startswith("publisher/"):
            return RedirectResponse(f"/publishers/{quote(feed.partition('/')[2], safe='')}", status_code=308)
        async with site.connections.read() as db:
            found = await feed_stories(site, db, feed, after=_after(request), limit=settings.page_stories)
        first = "cursor" not in request.query_params
        page = views.FeedPage(
            feed_id=feed,
            title=found.title,
            kind=found.kind,
            cards=tuple(map(present.card, found.stories)),
            cursor=write_cursor(found.next) if found.next else None,
            first=first,
        )
        address = quote(feed, safe="/")
        frame = site.frame(request, f"{found.title} · Slugline", feed=address, feed_title=found.title, live=first, noindex=not first)
        return _html(render("feed.html", frame, fragment=_fragment(request), page=page))

    async def _syndicated_feed(request: Request, feed: str, form: str) -> Response:
        async with site.connections.read() as db:
            found = await feed_stories(site, db, feed, after=None, limit=settings.page_stories)
        body = write(syndication.of_feed(found, site.base_url(request), form), form)
        return Response(body, media_type=MEDIA_TYPES[form])

    @routes.get("/stories/{story}.{form}")
    async def story_feed(request: Request, story: str, form: str) -> Response:
        story_id = _id(story, "story")
        if form not in MEDIA_TYPES:
            raise not_found("page")
        async with site.connections.read() as db:
            found = await whole_story(db, story_id, member_limit=SOURCES_PAGE)
        if isinstance(found, read.Redirect):
            return RedirectResponse(f"/stories/{found.story_id}.{form}", status_code=308)
        body = write(syndication.of_story(found, site.base_url(request), form), form)
        return Response(body, media_type=MEDIA_TYPES[form])

    @routes.get("/stories/{story}")
    async def story_page(request: Request, story: str) -> Response:
        story_id = _id(story, "story")
        since = _revision(request.query_params.get("since"))
        async with site.connections.read() as db:
            found = await whole_story(db, story_id, member_limit=SOURCES)
            if isinstance(found, read.Redirect):
                # Without `since`: the revisions of the story that it was merged into are other ones.
                query = "?fragment=1" if _fragment(request) else ""
                return RedirectResponse(f"/stories/{found.story_id}{query}", status_code=308)
            history = await read.history(db, story_id, limit=REVISIONS)
            changes = None if since is None else await read.changes_since(db, story_id, since)
        page = present.story_page(found, history, changes, shown_sources=SOURCES, picture_sources=settings.picture_sources)
        counts = f"{number_of(page.article_count, 'article')} from {number_of(page.publisher_count, 'independent publisher')}"
        lead = found.story.lead
        frame = site.frame(
            request,
            f"{short(page.headline or 'Untitled story', 110)} · Slugline",
            description=short(f"{lead} {counts}." if lead else f"{counts}.", 300),
            story_id=page.story_id,
            revision=page.revision,
            live=True,
            noindex=since is not None,
        )
        since_words = "your last visit" if "visit" in request.query_params else f"revision {since}"
        return _html(render("story.html", frame, fragment=_fragment(request), page=page, since_words=since_words))

    @routes.get("/stories/{story}/sources")
    async def sources(request: Request, story: str) -> Response:
        story_id = _id(story, "story")
        after = _revision(request.query_params.get("cursor")) or 0
        async with site.connections.read() as db:
            found = await whole_story(db, story_id, member_limit=0)
            if isinstance(found, read.Redirect):
                return RedirectResponse(f"/stories/{found.story_id}/sources", status_code=308)
            members = await read.members(db, story_id, after_number=after, limit=SOURCES_PAGE + 1)
        shown = members[:SOURCES_PAGE]
        page = views.StoryPage(
            story_id=story_id,
            revision=found.story.revision,
            headline=found.story.headline,
            language=found.story.language,
            status=found.story.status,
            article_count=found.story.article_count,
            publisher_count=found.story.publisher_count,
            first_published_at=found.story.first_published_at,
            last_published_at=found.story.last_published_at,
            sources=tuple(map(present.source, shown)),
        )
        frame = site.frame(request, f"Sources: {short(page.headline, 100)} · Slugline", noindex=True)
        cursor = str(shown[-1].number) if len(members) > SOURCES_PAGE else None
        return _html(render("sources.html", frame, page=page, cursor=cursor))

    @routes.get("/stories/{story}/reports")
    async def reported(request: Request, story: str) -> Response:
        story_id = _id(story, "story")
        return message(
            site,
            request,
            200,
            "Thank you",
            ["The editors have your report and will look at the story."],
            kicker="Report sent",
            ways=((f"/stories/{story_id}", "Back to the story"), ("/", "Top Headlines")),
        )

    @routes.post("/stories/{story}/reports")
    async def report(request: Request, story: str) -> Response:
        story_id = _id(story, "story")
        if not same_site(request.headers):
            raise ProblemRaised(403, "The form was sent from another site. Open the story here and send it again.")
        fields = await _form(request)
        article = fields.get("article_id", "")
        article_id = _id(article, "article") if article else None
        async with site.connections.read() as db:
            number = await read.report_story(db, story_id, article_id=article_id, words=fields.get("words", ""))
        if number is None:
            raise not_found("story, or it has no such article")
        return RedirectResponse(f"/stories/{story_id}/reports", status_code=303)

    @routes.get("/search")
    async def search(request: Request) -> Response:
        asked = request.query_params
        query = asked.get("q", "")[:300]
        language = asked.get("language", "")
        language = language if language.isascii() and language.isalpha() and len(language) in (2, 3) else ""
        after, before = _day(asked.get("after")), _day(asked.get("before"))
        found = await search_stories(
            site,
            query,
            language=language or None,
            after=midnight(after, site),
            before=midnight(day_after(before), site),
            limit=SEARCH_PAGE,
            page=_after(request),
        )
        async with site.connections.read() as db:
            feeds = await all_feeds(site, db)
        codes = sorted((feed.feed.partition("/")[2] for feed in feeds if feed.kind == "language"), key=language_name)
        page = views.SearchPage(
            query=query,
            hits=tuple(views.Hit(present.card(hit.story), hit.snippet) for hit in found.hits),
            language=language,
            after=after.isoformat() if after else "",
            before=before.isoformat() if before else "",
            cursor=write_cursor(found.next) if found.next else None,
            guessed=found.guessed,
            languages=tuple((code, language_name(code)) for code in codes),
        )
        kept = {"q": query, "language": language, "after": page.after, "before": page.before}
        filters = urlencode({name: value for name, value in kept.items() if value})
        title = f"{short(query, 60)} · Search · Slugline" if query else "Search · Slugline"
        frame = site.frame(request, title, query=query, noindex=True)
        return _html(render("search.html", frame, page=page, filters=filters))

    @routes.get("/publishers/{publisher:path}")
    async def publisher_page(request: Request, publisher: str) -> Response:
        if "\0" in publisher or len(publisher) > 300:
            raise not_found("publisher")
        feed = f"publisher/{publisher}"
        async with site.connections.read() as db:
            about = await about_publisher(site, db, publisher)
            if about is None:
                raise not_found("publisher")
            found = await read.feed_page(db, feed, limit=settings.page_stories, after=_after(request))
        page = views.PublisherPage(
            publisher_id=publisher,
            name=about.name or publisher,
            article_count=about.article_count,
            story_count=about.story_count,
            cards=tuple(map(present.card, found.stories)),
            cursor=write_cursor(found.next) if found.next else None,
        )
        first = "cursor" not in request.query_params
        frame = site.frame(
            request, f"{page.name} · Slugline", feed=quote(feed, safe="/"), feed_title=page.name, live=first, noindex=not first
        )
        return _html(render("publisher.html", frame, fragment=_fragment(request), page=page))

    @routes.get("/static/{name}")
    async def static(name: str) -> Response:
        for asset in assets().values():
            if asset.path == f"/static/{name}":
                return Response(asset.body, headers={"Content-Type": asset.media_type, "Cache-Control": FOREVER})
        raise not_found("file")

    @routes.get("/favicon.ico")
    async def icon() -> Response:
        return RedirectResponse(assets()["icon.svg"].path, status_code=308)

    @routes.get("/robots.txt")
    async def robots() -> Response:
        return Response("User-agent: *\nDisallow: /search\nDisallow: /api/stream\n", media_type="text/plain")

    @routes.get("/api/docs")
    async def docs(request: Request) -> Response:
        document = request.app.openapi()
        frame = site.frame(request, "API · Slugline")
        return _html(render("docs.html", frame, calls=tuple(describe.calls(document)), models=tuple(describe.models(document))))

    return routes


async def _form(request: Request) -> dict[str, str]:
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise ProblemRaised(415, "Send the form as application/x-www-form-urlencoded.")
    body = bytearray()
    try:
        async with asyncio.timeout(FORM_S):
            async for chunk in request.stream():
                body.extend(chunk)
                if len(body) > FORM_BYTES:
                    raise ProblemRaised(413, f"The form is larger than {FORM_BYTES:,} bytes.")
    except TimeoutError:
        raise ProblemRaised(408, f"The form did not come within {FORM_S} s. Send it again.") from None
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=20)
    except ValueError as error:
        raise ProblemRaised(400, "The form can't be read.") from error
    return {name: values[0] for name, values in fields.items()}

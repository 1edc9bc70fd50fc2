"""JSON Feed 1.0 and 1.1 (jsonfeed.org), read leniently: a wrong field is missed, a wrong item refused, the rest stands."""

import json
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from services.ingest.feeds.model import FeedItem, ParsedFeed, RefusedItem
from services.ingest.feeds.normalise import Context, language_code, tidy_names
from services.ingest.identity import absolute_url
from services.ingest.text import SUMMARY_LIMIT, cut, from_html, one_line, paragraphs, shorten, title_from_html
from shared.contracts.base import describe
from shared.errors import Refused


def _text(value: object) -> object:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _many(value: object) -> list[object]:
    return value if isinstance(value, list) else [value] if isinstance(value, dict) else []


Link = Annotated[str | None, BeforeValidator(lambda value: value if isinstance(value, str) else None)]
Text = Annotated[str | None, BeforeValidator(_text)]


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Author(_Lenient):
    name: Text = None
    url: Link = None


def _authors(value: object) -> object:
    return [author if isinstance(author, dict) else {"name": author} for author in _many(value) if isinstance(author, (dict, str))]


class _Item(_Lenient):
    id: Text = None
    url: Link = None
    external_url: Link = None
    title: Text = None
    content_html: Text = None
    content_text: Text = None
    summary: Text = None
    image: Link = None
    banner_image: Link = None
    date_published: Text = None
    date_modified: Text = None
    author: Annotated[_Author | None, BeforeValidator(lambda value: value if isinstance(value, dict) else None)] = None
    authors: Annotated[list[_Author], BeforeValidator(_authors)] = Field(default_factory=list)
    tags: Annotated[list[Any], BeforeValidator(lambda value: value if isinstance(value, list) else [])] = Field(default_factory=list)
    language: Text = None


class _Hub(_Lenient):
    type: Text = None
    url: Link = None


class _Feed(_Lenient):
    version: Text = None
    title: Text = None
    home_page_url: Link = None
    feed_url: Link = None
    description: Text = None
    language: Text = None
    expired: Any = None
    author: Annotated[_Author | None, BeforeValidator(lambda value: value if isinstance(value, dict) else None)] = None
    authors: Annotated[list[_Author], BeforeValidator(_authors)] = Field(default_factory=list)
    hubs: Annotated[list[_Hub], BeforeValidator(lambda value: [hub for hub in _many(value) if isinstance(hub, dict)])] = Field(
        default_factory=list
    )


def read(text: str, context: Context, *, max_items: int) -> ParsedFeed:
    """Read a JSON document. Raises `Refused` (malformed, not_a_feed, too_deep)."""
    try:
        document = json.loads(text)
    except RecursionError as error:
        raise Refused("too_deep", "the JSON is nested too deeply") from error
    except ValueError as error:
        raise Refused("malformed", f"neither JSON nor XML: {str(error)[:200]}") from error
    if not isinstance(document, dict) or not isinstance(document.get("items"), list):
        raise Refused("not_a_feed", "the JSON is no JSON Feed: it has no list of items")
    feed = _Feed.model_validate(document)
    version = feed.version or ""
    if "jsonfeed.org/version" not in version and not {"title", "home_page_url", "feed_url"} & document.keys():
        raise Refused("not_a_feed", "the JSON is no JSON Feed: it has neither version nor title")
    base = context.url or feed.feed_url or feed.home_page_url or ""
    context.link = absolute_url(feed.home_page_url or "", base or None)
    context.language = language_code(feed.language)
    context.authors = _names(feed)
    flaw = None if "jsonfeed.org/version" in version else "no version"
    for position, raw in enumerate(document["items"]):
        if position >= max_items:
            flaw = f"more than {max_items} items; the rest was not read"
            break
        try:
            item = _Item.model_validate(raw)
        except ValidationError as error:
            empty = FeedItem(item_id=None, url=None, canonical_url=None)
            context.refused.append(RefusedItem(position, "malformed", f"not a JSON Feed item: {describe(error)}"[:300], empty))
            continue
        context.add(position, *_read_item(item, context, base))
    return ParsedFeed(
        format="json11" if version.rstrip("/").endswith("1.1") else "json1",
        title=title_from_html(feed.title or ""),
        link=context.link,
        language=context.language,
        language_tag=(feed.language or "")[:60].strip() or None,
        description=shorten(paragraphs(feed.description or "")),
        hub=next((url for hub in feed.hubs if (url := absolute_url(hub.url or "", base or None))), None),
        complete=feed.expired is True,
        flaw=flaw,
        items=tuple(context.items),
        refused=tuple(context.refused),
    )


def _read_item(item: _Item, context: Context, base: str) -> tuple[FeedItem, str | None]:
    written = item.url or item.external_url or (item.id if item.id and item.id.startswith(("http://", "https://")) else None)
    url = absolute_url(written or "", base or None)
    content = from_html(item.content_html) if item.content_html else paragraphs(item.content_text or "")
    text, truncated = cut(content)
    updated = context.time(item.date_modified)
    read = FeedItem(
        item_id=one_line(item.id or "") or None,
        url=url,
        canonical_url=None,
        title=title_from_html(item.title or ""),
        summary=shorten(paragraphs(item.summary or "") or text, SUMMARY_LIMIT),
        text=text,
        truncated=truncated,
        authors=_names(item) or context.authors,
        published_at=context.time(item.date_published) or updated,
        updated_at=updated,
        image=absolute_url(item.image or item.banner_image or "", base or None),
        section=next((section for tag in item.tags if isinstance(tag, str) and (section := title_from_html(tag, 200))), None),
        language=language_code(item.language) or context.language,
    )
    return read, written


def _names(holder: _Item | _Feed) -> tuple[str, ...]:
    authors = [*holder.authors, *([holder.author] if holder.author else [])]
    return tidy_names(author.name or "" for author in authors)

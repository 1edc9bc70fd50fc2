"""What the JSON API answers with: the models are its documentation, and the functions make them of what the database says."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.publish import read
from services.publish.web.present import safe_href


class Answer(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class Outlet(Answer):
    """Who published an article."""

    id: str
    name: str


class StoryCard(Answer):
    """A story in a list."""

    story_id: UUID
    revision: int
    status: str = Field(description="open, closed, or what later versions add")
    headline: str
    language: str = Field(description="ISO 639 code, `und` where unknown")
    article_count: int
    publisher_count: int = Field(description="independent: a wire report's copies count once")
    first_published_at: datetime
    last_published_at: datetime
    changed_at: datetime
    lead: str = Field(description="the brief's first sentence; empty while there is none")
    publishers: list[str] = Field(description="up to five outlets, first to report first")
    url: str = Field(description="the story's page")


class FeedInfo(Answer):
    """A feed in the list of feeds."""

    id: str
    kind: str = Field(description="top, language, country, publisher, section, search, or what later versions add")
    title: str
    story_count: int = Field(description="counted up to 1,000")
    last_published_at: datetime | None
    url: str


class FeedList(Answer):
    """All feeds."""

    feeds: list[FeedInfo]


class FeedAnswer(Answer):
    """A page of a feed."""

    id: str
    title: str
    stories: list[StoryCard]
    next: str | None = Field(description="the cursor of the next page; null at the end")


class Sentence(Answer):
    """A sentence and the numbers of all sources that state it."""

    text: str
    citations: list[int]
    new: bool = Field(description="stated only by sources that came or changed since the revision asked; false where none was")


class Section(Answer):
    """A heading and its sentences."""

    heading: str
    sentences: list[Sentence]


class BriefAnswer(Answer):
    """What the story's articles say."""

    revision: int | None = Field(description="the story's revision that it was made from; below the story's, a newer one is on its way")
    made_by: str
    corrected: bool
    sections: list[Section]


class SourceAnswer(Answer):
    """An article of a story."""

    number: int
    article_id: UUID
    version: int
    title: str
    url: str | None = Field(description="null where the address is not http or https")
    publisher: Outlet
    published_at: datetime | None
    language: str
    image: str | None = Field(description="the address of the outlet's picture; null where there is none, or it is not http or https")
    copy_of: int | None = Field(description="the number of the source that it repeats nearly word for word")
    new: bool = Field(description="came or changed since the revision asked; false where none was")


class LinkAnswer(Answer):
    """The same event in another language."""

    story_id: UUID
    language: str
    article_count: int
    headline: str


class ChangesAnswer(Answer):
    """What differs between a revision and now."""

    since: int
    complete: bool = Field(description="false where the history since then is no longer kept")
    articles_added: list[UUID]
    articles_removed: list[UUID]
    articles_changed: list[UUID]


class StoryAnswer(StoryCard):
    """A story whole."""

    brief: BriefAnswer
    sources: list[SourceAnswer] = Field(description="the first 200 by number, and all that the brief cites")
    source_count: int
    withdrawn_count: int
    links: list[LinkAnswer]
    changes: ChangesAnswer | None = Field(description="only where `since` was asked")


class RevisionAnswer(Answer):
    """One revision of a story."""

    revision: int
    event_id: UUID
    reason: str = Field(description="an open list: treat an unknown one as changed")
    status: str
    headline: str
    article_count: int
    publisher_count: int
    articles_added: list[UUID]
    articles_removed: list[UUID]
    articles_changed: list[UUID]
    redirect_to: UUID | None
    actor: dict[str, str]
    evidence: dict[str, Any] | None
    changed_at: datetime


class HistoryAnswer(Answer):
    """A story's revisions, newest first."""

    story_id: UUID
    revisions: list[RevisionAnswer]
    next: int | None = Field(description="ask with before=NEXT for older ones; null at the end")


class HitAnswer(StoryCard):
    """A story that a search found."""

    snippet: list[tuple[str, bool]] = Field(description="pieces of text, each with whether it is a found word")


class SearchAnswer(Answer):
    """What a search found."""

    query: str
    guessed: bool = Field(description="true: nothing has these words, and the stories have similar ones")
    stories: list[HitAnswer]
    next: str | None


class ArticleAnswer(Answer):
    """An article."""

    article_id: UUID
    version: int
    status: str
    title: str
    summary: str
    url: str | None
    publisher: Outlet
    authors: list[str]
    image: str | None = Field(description="the address of the outlet's picture; null where there is none, or it is not http or https")
    section: str | None
    language: str
    published_at: datetime | None
    fetched_at: datetime
    extraction: str
    story_id: UUID | None
    number: int | None = Field(description="its citation number in that story")


def story_card(story: read.Story, base_url: str) -> dict[str, Any]:
    """Make a `StoryCard`."""
    return {
        "story_id": story.story_id,
        "revision": story.revision,
        "status": story.status,
        "headline": story.headline,
        "language": story.language,
        "article_count": story.article_count,
        "publisher_count": story.publisher_count,
        "first_published_at": story.first_published_at,
        "last_published_at": story.last_published_at,
        "changed_at": story.changed_at,
        "lead": story.lead,
        "publishers": story.publishers,
        "url": f"{base_url}/stories/{story.story_id}",
    }


def story_answer(detail: read.StoryDetail, changes: read.Changes | None, base_url: str) -> dict[str, Any]:
    """Make a `StoryAnswer`."""
    fresh = changes.numbers_added if changes is not None else frozenset[int]()
    return story_card(detail.story, base_url) | {
        "brief": {
            "revision": detail.brief_revision,
            "made_by": detail.made_by,
            "corrected": detail.corrected,
            "sections": [
                {
                    "heading": section.heading,
                    "sentences": [
                        {
                            "text": sentence.text,
                            "citations": sentence.citations,
                            "new": bool(fresh) and fresh.issuperset(sentence.citations),
                        }
                        for sentence in section.sentences
                    ],
                }
                for section in detail.sections
            ],
        },
        "sources": [
            {
                "number": member.number,
                "article_id": member.article_id,
                "version": member.version,
                "title": member.title,
                "url": safe_href(member.url),
                "publisher": {"id": member.publisher_id, "name": member.publisher_name},
                "published_at": member.published_at,
                "language": member.language,
                "image": safe_href(member.image) if member.image else None,
                "copy_of": member.copy_of,
                "new": member.number in fresh,
            }
            for member in detail.members
        ],
        "source_count": detail.member_count,
        "withdrawn_count": detail.withdrawn_count,
        "links": [
            {
                "story_id": link.story_id,
                "language": link.language,
                "article_count": link.article_count,
                "headline": link.headline,
            }
            for link in detail.links
        ],
        "changes": None
        if changes is None
        else {
            "since": changes.since,
            "complete": changes.complete and changes.since <= detail.story.revision,
            "articles_added": changes.articles_added,
            "articles_removed": changes.articles_removed,
            "articles_changed": changes.articles_changed,
        },
    }


def revision_answer(change: read.Change) -> dict[str, Any]:
    """Make a `RevisionAnswer`."""
    return {
        "revision": change.revision,
        "event_id": change.event_id,
        "reason": change.reason,
        "status": change.status,
        "headline": change.headline,
        "article_count": change.article_count,
        "publisher_count": change.publisher_count,
        "articles_added": change.articles_added,
        "articles_removed": change.articles_removed,
        "articles_changed": change.articles_changed,
        "redirect_to": change.redirect_to,
        "actor": {"kind": change.actor_kind, "name": change.actor_name, "why": change.actor_why},
        "evidence": change.evidence,
        "changed_at": change.changed_at,
    }


def article_answer(article: read.Article) -> dict[str, Any]:
    """Make an `ArticleAnswer`: what is needed to find and cite it; the text is its outlet's to show."""
    return {
        "article_id": article.article_id,
        "version": article.version,
        "status": article.status,
        "title": article.title,
        "summary": article.summary,
        "url": safe_href(article.url),
        "publisher": {"id": article.publisher_id, "name": article.publisher_name},
        "authors": article.authors,
        "image": safe_href(article.image) if article.image else None,
        "section": article.section,
        "language": article.language,
        "published_at": article.published_at,
        "fetched_at": article.fetched_at,
        "extraction": article.extraction,
        "story_id": article.story_id,
        "number": article.number,
    }

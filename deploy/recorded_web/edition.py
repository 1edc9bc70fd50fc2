"""What is online at a moment of the play. Pure: content, clock and port in, pages out."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self
from urllib.parse import urlsplit

from deploy.recorded_web.content import (
    PLACEHOLDER,
    ArticlePlan,
    Content,
    Correction,
    FeedPlan,
    InvalidContent,
    Outlet,
    StoryPlan,
    Variant,
    body_of,
)
from deploy.recorded_web.dates import date_words, weekday_word
from deploy.recorded_web.play import Play

HOST_SUFFIX = ".localhost"
MOBILE_PREFIX = "m."
AMP_PREFIX = "/amp"


class Status(StrEnum):
    """Whether an article's page is to be had."""

    UPCOMING = "upcoming"
    ONLINE = "online"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Page:
    """An article as its outlet shows it at one moment."""

    story: StoryPlan
    plan: ArticlePlan
    outlet: Outlet
    path: str
    url: str
    title: str
    summary: str
    paragraphs: tuple[str, ...]
    published_at: datetime
    modified_at: datetime
    notes: tuple[str, ...]

    @property
    def text(self) -> str:
        """Give the body without its headings' marks."""
        return "\n\n".join(paragraph.removeprefix("## ") for paragraph in self.paragraphs)


@dataclass(frozen=True, slots=True)
class Address:
    """What an article's path on a host stands for."""

    story: StoryPlan
    plan: ArticlePlan
    outlet: Outlet
    variant: Variant


@dataclass(frozen=True, slots=True)
class Edition:
    """The whole recorded web over one play, with every address it will ever have."""

    content: Content
    play: Play
    port: int
    addresses: dict[tuple[str, str], Address] = field(repr=False)
    changes: dict[str, list[timedelta]] = field(repr=False)
    """When each outlet's articles appear, change or go, in order."""

    @classmethod
    def prepare(cls, content: Content, play: Play, port: int) -> Self:
        """Lay out every address. Raises `InvalidContent` if two articles share one."""
        edition = cls(content, play, port, {}, {outlet.name: [timedelta(0)] for outlet in content.outlets})
        for story, plan in content.articles():
            outlet = content.outlet(plan.outlet)
            edition.changes[outlet.name] += [plan.appears, *(correction.at for correction in plan.corrections)]
            edition.changes[outlet.name] += [plan.withdrawn.at] if plan.withdrawn is not None else []
            path = edition.path(plan)
            for variant, host, place in (
                (Variant.CANONICAL, outlet.name, path),
                (Variant.AMP, outlet.name, AMP_PREFIX + path),
                (Variant.MOBILE, MOBILE_PREFIX + outlet.name, path),
            ):
                other = edition.addresses.setdefault((host, place), Address(story, plan, outlet, variant))
                if other.plan is not plan:
                    msg = f"{story.name}.toml: {plan.key} and {other.plan.key} share the path {place}"
                    raise InvalidContent(msg)
        for changes in edition.changes.values():
            changes.sort()
        return edition

    def origin(self, host: str) -> str:
        """Give the origin of a host by its name before `.localhost`."""
        return f"http://{host}{HOST_SUFFIX}:{self.port}"

    def path(self, plan: ArticlePlan) -> str:
        """Give an article's path by its outlet's pattern."""
        if plan.path is not None:
            return plan.path
        outlet = self.content.outlet(plan.outlet)
        published = self.play.at(plan.published).astimezone(outlet.zone)
        number = 100_000 + sum(map(ord, plan.slug)) * 37 % 900_000
        return outlet.path.format(
            slug=plan.slug, section=plan.section, year=published.year, month=f"{published:%m}", day=f"{published:%d}", number=number
        )

    def url(self, plan: ArticlePlan, variant: Variant = Variant.CANONICAL) -> str:
        """Give an article's address, or that of a variant of it."""
        if variant is Variant.MOBILE:
            return self.origin(MOBILE_PREFIX + plan.outlet) + self.path(plan)
        return self.origin(plan.outlet) + (AMP_PREFIX if variant is Variant.AMP else "") + self.path(plan)

    def feed_link(self, feed: FeedPlan, plan: ArticlePlan) -> str:
        """Give the address under which a feed lists an article."""
        url = self.url(plan, feed.variant)
        return f"{url}{'&' if urlsplit(url).query else '?'}{feed.tracking}" if feed.tracking else url

    def feed_url(self, outlet: Outlet, feed: FeedPlan) -> str:
        """Give a feed's address."""
        return self.origin(outlet.name) + feed.path

    def status(self, plan: ArticlePlan, position: timedelta) -> Status:
        """Tell whether an article is online at a moment of the play."""
        if position < plan.appears:
            return Status.UPCOMING
        if plan.withdrawn is not None and position >= plan.withdrawn.at:
            return Status.WITHDRAWN
        return Status.ONLINE

    def page(self, story: StoryPlan, plan: ArticlePlan, position: timedelta) -> Page:
        """Give an article as it reads at a moment of the play, with the corrections made by then."""
        outlet = self.content.outlet(plan.outlet)
        made = tuple(correction for correction in plan.corrections if position >= correction.at)
        published_at = self.play.at(plan.published).astimezone(outlet.zone)
        event_at = self.play.at(story.event)

        def worded(text: str) -> str:
            return _with_dates(text, event_at, outlet.language)

        return Page(
            story=story,
            plan=plan,
            outlet=outlet,
            path=self.path(plan),
            url=self.url(plan),
            title=worded(_latest(plan.title, (correction.title for correction in made))),
            summary=worded(_latest(plan.summary, (correction.summary for correction in made))),
            paragraphs=tuple(worded(paragraph) for paragraph in _corrected(body_of(plan, story), made)),
            published_at=published_at,
            modified_at=self.play.at(made[-1].at).astimezone(outlet.zone) if made else published_at,
            notes=tuple(worded(correction.note) for correction in made),
        )

    def online(self, outlet: Outlet, position: timedelta, section: str | None = None) -> list[Page]:
        """Give an outlet's articles of a moment, newest first."""
        pages = [
            self.page(story, plan, position)
            for story, plan in self.content.articles()
            if plan.outlet == outlet.name and section in {None, plan.section} and self.status(plan, position) is Status.ONLINE
        ]
        return sorted(pages, key=lambda page: (page.published_at, page.plan.slug), reverse=True)

    def stage(self, outlet: Outlet, position: timedelta) -> int:
        """Count the outlet's changes up to a moment: while this stays the same, so does all that the outlet serves."""
        return bisect_right(self.changes[outlet.name], position)

    def changed_at(self, outlet: Outlet, position: timedelta) -> datetime:
        """Give when the outlet's list of articles, or one of them, last changed, for Last-Modified and lastBuildDate."""
        return self.play.at(self.changes[outlet.name][self.stage(outlet, position) - 1])


def _latest(first: str, later: Iterator[str | None]) -> str:
    for text in later:
        first = first if text is None else text
    return first


def _corrected(paragraphs: tuple[str, ...], made: tuple[Correction, ...]) -> tuple[str, ...]:
    for correction in made:
        for old, new in correction.replace:
            paragraphs = tuple(paragraph.replace(old, new) for paragraph in paragraphs)
    return paragraphs


def _with_dates(text: str, event_at: datetime, language: str) -> str:
    """Put weekdays and dates where the text has placeholders, so that a play begun on any day reads right."""
    return PLACEHOLDER.sub(
        lambda match: (weekday_word if match["what"] == "day" else date_words)(
            event_at + timedelta(days=int(match["days"] or 0)), language
        ),
        text,
    )

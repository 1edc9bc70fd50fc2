"""Make view models of what the database says. Pure; `now` is an argument."""

import math
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from services.publish import read
from services.publish.feeds.countries import COUNTRIES
from services.publish.feeds.diversify import Ranked, diverse_order
from services.publish.web import views
from services.publish.web.pictures import may_load
from services.publish.web.words import day, duration_words, language_name, number_of, reason_words, utc

TICKS: Final = 14
"""A timeline numbers its articles up to here; more become bars."""
BARS: Final = 40
WIDTH: Final = 330.0
"""Pixels of the narrowest drawing, a phone's: ticks that keep apart on it do so on wider ones. Places across are told in hundredths."""
TICK_GAP: Final = 22.0
MARGIN: Final = 14.0
SILENT_AFTER_S: Final = 45.0
"""A worker says something every 5 seconds; this is when its silence is news."""

GROUPS: Final = (
    ("section", "Sections"),
    ("language", "By language"),
    ("country", "By country"),
    ("search", "Saved searches"),
    ("publisher", "By publisher"),
)


def safe_href(url: str) -> str | None:
    """Give an outlet's address if a page may link to it: http or https, a host, no credentials, no control characters or spaces."""
    if re.search(r"[\x00-\x20\x7f-\x9f\ud800-\udfff]", url):
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        return None
    return url


def card(story: read.Story) -> views.Card:
    """Show a story in a list."""
    return views.Card(
        story_id=story.story_id,
        revision=story.revision,
        headline=story.headline,
        language=story.language,
        article_count=story.article_count,
        publisher_count=story.publisher_count,
        first_published_at=story.first_published_at,
        last_published_at=story.last_published_at,
        changed_at=story.changed_at,
        lead=story.lead,
        publishers=story.publishers,
    )


def diverse(stories: Sequence[read.Story]) -> list[read.Story]:
    """Put one page of Top Headlines into an order in which no topic fills the top."""
    return [stories[index] for index in diverse_order([Ranked(story.rank, story.headline) for story in stories])]


def source(member: read.Member, *, new: bool = False) -> views.Source:
    """Show a member as a numbered source."""
    return views.Source(
        number=member.number,
        article_id=member.article_id,
        title=member.title,
        publisher_id=member.publisher_id,
        publisher=member.publisher_name or member.publisher_id,
        href=safe_href(member.url),
        published_at=member.published_at or member.fetched_at,
        language=member.language,
        copy_of=member.copy_of,
        corrected=member.version > 1,
        new=new,
    )


def picture(headline: str, members: Iterable[read.Member], sources: Sequence[str]) -> views.Picture | None:
    """Choose a story's picture among those that pages may show: of the article whose title is the headline, else the first to report."""
    for member in sorted(members, key=lambda member: (member.title != headline, member.number)):
        address = safe_href(member.image) if sources and member.image else None
        if address is not None and may_load(address, sources):
            return views.Picture(address, member.publisher_name or member.publisher_id, safe_href(member.url))
    return None


def story_page(
    detail: read.StoryDetail,
    history: Sequence[read.Change],
    changes: read.Changes | None,
    *,
    shown_sources: int,
    picture_sources: Sequence[str] = (),
) -> views.StoryPage:
    """Show a story. `changes` is what differs since the reader's last visit, where that is asked."""
    fresh = changes.numbers_added if changes is not None else frozenset[int]()
    sources = {member.number: source(member, new=member.number in fresh) for member in detail.members}
    cited = {number for section in detail.sections for sentence in section.sentences for number in sentence.citations}
    shown = [found for number, found in sources.items() if number in cited or len(sources) <= shown_sources]
    for found in sources.values():
        if len(shown) >= shown_sources:
            break
        if found not in shown:
            shown.append(found)
    listed = tuple(sorted(shown, key=lambda found: found.number))
    sections = tuple(
        views.Section(
            heading=section.heading,
            sentences=tuple(
                views.Sentence(
                    text=sentence.text,
                    sources=tuple(sources[number] for number in sentence.citations if number in sources),
                    new=bool(fresh) and fresh.issuperset(sentence.citations),
                )
                for sentence in section.sentences
            ),
        )
        for section in detail.sections
    )
    story = detail.story
    return views.StoryPage(
        story_id=story.story_id,
        revision=story.revision,
        headline=story.headline,
        language=story.language,
        status=story.status,
        article_count=story.article_count,
        publisher_count=story.publisher_count,
        first_published_at=story.first_published_at,
        last_published_at=story.last_published_at,
        picture=picture(story.headline, detail.members, picture_sources),
        sections=sections,
        sources=listed,
        more_sources=max(0, max(detail.member_count, story.article_count) - len(listed)),
        timeline=timeline(tuple(sources.values())) if detail.member_count <= len(sources) else None,
        others=tuple(
            views.OtherLanguage(link.story_id, link.language, language_name(link.language), link.article_count, link.headline)
            for link in detail.links
        ),
        changes=tuple(map(change, history)),
        corrected=detail.corrected,
        withdrawn_count=detail.withdrawn_count,
        brief_behind=detail.brief_revision is None or detail.brief_revision < story.revision,
        since=None if changes is None else changes.since,
        new_count=sum(found.new for found in sources.values()),
        made_by=detail.made_by,
    )


def change(revision: read.Change) -> views.Change:
    """Say one revision in words."""
    words = reason_words(revision.reason)
    added, removed = len(revision.articles_added), len(revision.articles_removed)
    if revision.reason == "article_added" and added > 1:
        words = f"New coverage: {number_of(added, 'article')}"
    elif revision.reason == "article_removed" and removed > 1:
        words = f"{number_of(removed, 'article')} withdrawn or moved away"
    editor = revision.actor_kind == "editor"
    return views.Change(
        revision=revision.revision,
        reason=revision.reason,
        words=words,
        at=revision.changed_at,
        headline=revision.headline,
        article_count=revision.article_count,
        publisher_count=revision.publisher_count,
        actor=(revision.actor_name or "an editor") if editor else "",
        note=revision.actor_why if editor else "",
    )


def timeline(sources: Sequence[views.Source]) -> views.Timeline | None:
    """Draw when articles came out; None for fewer than two times, which draw no line."""
    dated = sorted((found.published_at, found.number, found.publisher) for found in sources if found.published_at is not None)
    if len(dated) < 2 or dated[0][0] == dated[-1][0]:
        return None
    start, end = dated[0][0], dated[-1][0]
    summary = f"{number_of(len(dated), 'article')} between {utc(start)} and {utc(end)}"
    reach = WIDTH - 2 * MARGIN
    places = [MARGIN + reach * ((at - start) / (end - start)) for at, _, _ in dated]
    if len(dated) > TICKS:
        return _bars(places, start, end, summary)
    ends: list[float] = []
    levels: list[int] = []
    for x in places:  # the lowest level on which it touches no earlier one
        level = next((index for index, last in enumerate(ends) if x - last >= TICK_GAP), len(ends))
        if level == len(ends):
            ends.append(x)
        ends[level] = x
        levels.append(level)
    baseline = 16.0 + TICK_GAP * len(ends)
    ticks = tuple(
        views.Tick(number, _across(x), round(baseline - 18.0 - TICK_GAP * level, 1), f"{publisher}, {utc(at)}")
        for (at, number, publisher), x, level in zip(dated, places, levels, strict=True)
    )
    return views.Timeline(baseline + 2, baseline, start, end, summary, ticks=ticks)


def _across(x: float) -> float:
    return round(100 * x / WIDTH, 2)


def _bars(places: Sequence[float], start: datetime, end: datetime, summary: str) -> views.Timeline:
    slot = (WIDTH - 2 * MARGIN) / BARS
    counts = [0] * BARS
    for x in places:
        counts[min(int((x - MARGIN) / slot), BARS - 1)] += 1
    height, most = 64.0, max(counts)
    bars = tuple(
        views.Bar(
            x=_across(MARGIN + index * slot + 0.75),
            y=round(height - height * math.sqrt(count / most), 1),
            width=_across(slot - 1.5),
            height=round(height * math.sqrt(count / most), 1),
            label=f"{number_of(count, 'article')}, {utc(start + (end - start) * (index / BARS))}",
        )
        for index, count in enumerate(counts)
        if count
    )
    return views.Timeline(height + 2, height, start, end, summary, bars=bars)


def feed_title(feed: str, named: str = "") -> str:
    """Title a feed: as its operator named it, else by what it stands for."""
    kind, _, rest = feed.partition("/")
    if named and kind not in ("top", "language", "country"):
        return named
    if feed == "top":
        return "Top Headlines"
    if kind == "language":
        return language_name(rest)
    if kind == "country":
        return COUNTRIES.get(rest, rest)
    return rest.replace("-", " ").capitalize() if kind == "section" else rest or feed


def feed_groups(feeds: Sequence[read.FeedSummary], *, most_publishers: int) -> tuple[views.FeedGroup, ...]:
    """Group the list of feeds by kind; of publishers the busiest."""
    links: dict[str, list[views.FeedLink]] = {}
    for feed in feeds:
        if feed.kind == "top" or (feed.story_count == 0 and feed.kind not in ("section", "search")):
            continue
        found = links.setdefault(feed.kind, [])
        if feed.kind == "publisher" and len(found) >= most_publishers:
            continue
        found.append(
            views.FeedLink(
                feed.feed,
                feed_title(feed.feed, feed.title),
                feed.kind,
                feed.story_count,
                feed.last_published_at,
                feed.headline,
                feed.language,
            )
        )
    top = [feed for feed in feeds if feed.kind == "top"]
    first = tuple(
        views.FeedLink(feed.feed, "Top Headlines", "top", feed.story_count, feed.last_published_at, feed.headline, feed.language)
        for feed in top
    )
    groups = [views.FeedGroup("Headlines", first)] if first else []
    groups.extend(views.FeedGroup(title, tuple(links[kind])) for kind, title in GROUPS if links.get(kind))
    return tuple(groups)


def freshness(found: read.Freshness, now: datetime, *, late_after_s: float) -> views.Freshness:
    """Say how old what is shown may be, and whether readers should know that something is behind."""
    newest = found.newest_fetched_at
    if newest is None:
        words = ""
    else:
        age = max(now - newest, timedelta())
        since = "less than a minute" if age < timedelta(minutes=1) else duration_words(age.total_seconds())
        words = f"The newest article came in {since} ago." if age.days < 30 else f"As of {day(newest)}."
    # The newest word of each kind of worker counts: one of several processes may have been stopped on purpose.
    heard: dict[str, read.WorkerStatus] = {}
    for worker in found.workers:
        kind = re.split(r"[^a-z]", worker.worker, maxsplit=1)[0]
        if kind not in heard or heard[kind].seen_at < worker.seen_at:
            heard[kind] = worker
    for kind, worker in sorted(heard.items(), key=lambda item: item[1].seen_at):
        silence_s = (found.now - worker.seen_at).total_seconds()
        if silence_s > SILENT_AFTER_S:
            what = "No new briefs" if kind == "brief" else "No new articles"
            words = f"{what} for {duration_words(silence_s)}: the part that brings them does not answer. What is here can still be read."
            return views.Freshness("silent", newest, silence_s, words)
    waited_s = (found.now - found.newest_appended_at).total_seconds() if found.newest_appended_at is not None else 0.0
    if found.behind and waited_s > late_after_s:
        return views.Freshness(
            "late",
            newest,
            waited_s,
            f"This page is {duration_words(waited_s)} behind: {number_of(found.behind, 'change')} still to be taken in.",
        )
    if found.oldest_brief_wait_s > late_after_s:
        return views.Freshness(
            "late",
            newest,
            found.oldest_brief_wait_s,
            f"Briefs are {duration_words(found.oldest_brief_wait_s)} behind; sources and counts are current.",
        )
    return views.Freshness("fresh" if newest is not None else "unknown", newest, 0.0, words)

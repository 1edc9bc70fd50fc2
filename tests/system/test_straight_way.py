"""The straight way: from outlets' feeds to story pages, through every service."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from lxml import html

from shared.contracts import ArticleStatus, Extraction
from tests.system.checks import Told, check_rows, check_topics, explain, read_all
from tests.system.recorded import FETCHING, Recorded, identity, recorded_web
from tests.system.stack import Stack, running
from tests.topics import until

pytestmark = pytest.mark.stack

BEFORE_CORRECTION_S = 80
AFTER_ALL_S = 300
RECHECKS_H = ",".join(f"{seconds / 3600:.5f}" for seconds in range(4, 120, 4))
PAGE_REASONS = {
    "robots_txt": "robots_disallowed",
    "redirects_in_a_circle": "redirect_loop",
    "never_ends": "total_timeout",
    "too_large": "body_too_large",
}
"""What fetch calls what the recorded web does."""
CONFUSED = (("quake-marasoa", "quake-quilpata"), ("vote-pensions", "vote-rents"))


async def test_outlets_feeds_become_story_pages(stack: Stack, tmp_path: Path) -> None:
    """All outlets are polled in two visits; between them one corrects a report and one withdraws one."""
    stack.configure(**FETCHING, recheck_after_h=RECHECKS_H)
    async with recorded_web(stack.broker, tmp_path) as web, running(stack):
        await web.play_to(BEFORE_CORRECTION_S)
        [corrected], [withdrawn] = web.truth["corrected"], web.truth["withdrawn"]

        async def both_published() -> bool:
            told = await read_all(stack.broker)
            return {identity(corrected), identity(withdrawn)} <= set(told.articles)

        await until(both_published, "the report before its correction")
        await web.play_to(AFTER_ALL_S)

        async def both_changed() -> bool:
            articles = (await read_all(stack.broker)).articles
            return articles[identity(corrected)].version == 2 and articles[identity(withdrawn)].status is ArticleStatus.WITHDRAWN

        await until(both_changed, "the correction and the withdrawal")
        await stack.until_quiet(web.ids())
        told = await read_all(stack.broker)
        assert explain(told.letters) == []
        check_topics(told, web.ids())
        async with stack.rows() as rows:
            await check_rows(told, rows)
        _check_articles(web, told)
        _check_refused(web, told, stack)
        _check_stories(web, told)
        await _check_lee_page(web, told, stack)
        await _check_changed_pages(told, stack, identity(corrected), identity(withdrawn))


def _check_articles(web: Recorded, told: Told) -> None:
    """One identity for each article, whatever its feeds' links looked like, and as many feeds as carry it."""
    changed = {identity(url) for url in (*web.truth["corrected"], *web.truth["withdrawn"])}
    assert {article_id for article_id, article in told.articles.items() if article.version > 1} == changed
    assert {identity(alias) for alias in web.truth["aliases"]} <= set(told.articles), "AMP, mobile and tracked addresses lead to no other"
    carried: dict[UUID, int] = defaultdict(int)
    for urls in web.truth["feeds"].values():
        for url in urls:
            carried[identity(url)] += 1
    published = {article_id: article for article_id, article in told.articles.items() if article.status is ArticleStatus.PUBLISHED}
    assert {article_id: len(article.appearances) for article_id, article in published.items()} == {
        article_id: carried[article_id] for article_id in published
    }
    assert all(article.text for article in published.values())
    languages = {identity(url): story["language"] for story in web.truth["stories"].values() for url in story["articles"]}
    assert {article_id: article.language for article_id, article in told.articles.items()} == languages


def _check_refused(web: Recorded, told: Told, stack: Stack) -> None:
    """Take the feed's own words where a page can't be had, and say why."""
    reasons = {identity(entry["url"]): entry["reason"] for entry in stack.logged("fetch", "page_refused")}
    failed = {identity(entry["url"]): entry["error"] for entry in stack.logged("fetch", "page_failed")}
    for url, why in web.truth["refused"].items():
        said = reasons.get(identity(url)) or failed[identity(url)]
        assert said.startswith(PAGE_REASONS[why]), (url, said)
        article = told.articles[identity(url)]
        outlet = web.server.edition.content.outlet(url.removeprefix("http://").partition(".")[0])
        whole = any(feed.full_text for feed in outlet.feeds)
        assert article.extraction is (Extraction.FULL if whole else Extraction.SUMMARY), url


def _story_of(told: Told, urls: Sequence[str]) -> dict[UUID, int]:
    found: dict[UUID, int] = defaultdict(int)
    for url in urls:
        found[told.members[identity(url)].story_id] += 1
    return found


def _check_stories(web: Recorded, told: Told) -> None:
    """Events that are easily confused stay apart, languages too, and a wire report's copies count once as publishers."""
    stories = web.truth["stories"]
    for one, other in CONFUSED:
        for language in ("en", "es", "de"):
            urls = [stories[key]["articles"] if (key := f"{event}:{language}") in stories else [] for event in (one, other)]
            shared = set(_story_of(told, urls[0])) & set(_story_of(told, urls[1]))
            assert not shared, [told.articles[member.article_id].title for story_id in shared for member in told.members_of(story_id)]
    for copies in web.truth["near_copies"]:
        assert len(_story_of(told, copies)) == 1
        members = [told.members[identity(url)] for url in copies]
        assert len({member.wire_group for member in members}) == 1
        assert members[0].wire_group is not None
        story = told.stories[members[0].story_id]
        assert story.publisher_count == story.article_count - len(copies) + 1
    several = [story for story in told.stories.values() if story.article_count]
    assert len(several) >= 15


async def _check_lee_page(web: Recorded, told: Told, stack: Stack) -> None:
    urls = web.truth["stories"]["lee-xi-mediation:en"]["articles"]
    [(story_id, count)] = _story_of(told, urls).items()
    assert (count, told.stories[story_id].article_count) == (4, 4)
    page = await _page(stack, story_id)
    assert _text(page, "//h1").startswith("South Korean President Lee")
    assert _text(page, "//p[@class='updated']").startswith("Updated (4 articles)")
    assert _text(page, "//*[@id='sources-heading']") == "Sources (4 articles)"
    sections = page.xpath("//div[@class='brief']/section[h2]")
    assert len(sections) >= 2
    cited = [set(sentence.get("data-cites").split()) for sentence in page.xpath("//span[contains(@class, 'sentence')]")]
    assert all(cited), "every sentence is cited"
    assert set.union(*cited) == {"1", "2", "3", "4"}
    assert max(map(len, cited)) > 1, "what several outlets say is told once"
    assert {link.get("href") for link in page.xpath("//section[@class='sources']//a[starts-with(@href, 'http')]")} >= {
        told.articles[identity(url)].url for url in urls
    }
    async with stack.session.get(f"{stack.url}/") as answer:
        front: Any = html.fromstring(await answer.text())
    assert f"/stories/{story_id}" in {link.get("href") for link in front.xpath("//a")}


async def _check_changed_pages(told: Told, stack: Stack, corrected: UUID, withdrawn: UUID) -> None:
    page = await _page(stack, told.members[corrected].story_id)
    assert "corrected" in _text(page, "//p[@class='correction']")
    left = told.members[withdrawn]
    story = told.stories[left.story_id]
    if story.article_count:
        page = await _page(stack, left.story_id)
        assert "withdrawn" in _text(page, "//p[@class='correction']")
        cited = {number for sentence in page.xpath("//span[contains(@class, 'sentence')]") for number in sentence.get("data-cites").split()}
        assert str(left.number) not in cited


async def _page(stack: Stack, story_id: UUID) -> Any:
    async with stack.session.get(f"{stack.url}/stories/{story_id}") as answer:
        assert answer.status == 200
        return html.fromstring(await answer.text())


def _text(page: Any, path: str) -> str:
    found = page.xpath(path)
    assert found, path
    return " ".join(found[0].text_content().split())

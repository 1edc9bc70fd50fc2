"""The pages in Chromium: on a phone and on a desk, light and dark, with JavaScript and without. Screenshots land in test-artifacts/."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp.web
import axe_playwright_python
import pytest
from playwright.async_api import Browser, Page, async_playwright

from deploy.local.ports import free_ports
from deploy.recorded_web.render import image
from services.publish.web.config import WebSettings
from shared.contracts import StoryStatus
from tests.web.conftest import ARTIFACTS, Web, serving
from tests.web.newsroom import FERRY_HEADLINE, FERRY_REPORTS, FERRY_SECTIONS, Newsroom, Report, fill, made_id
from tests.web.test_pages import HOSTILE

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Give a Chromium."""
    path = next((found for name in ("chromium", "chromium-browser", "google-chrome", "chrome") if (found := shutil.which(name))), None)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        await browser.close()


@asynccontextmanager
async def page_of(browser: Browser, **options: Any) -> AsyncIterator[Page]:
    """Give a page that fails the test for any error or refused load that it logs."""
    context = await browser.new_context(**({"viewport": DESK} | options))
    page = await context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if line.type in ("error", "warning") else None)
    page.on("dialog", lambda dialog: faults.append(f"dialog: {dialog.message}"))
    page.set_default_timeout(15_000)
    try:
        yield page
        assert not faults
    finally:
        await context.close()


async def shoot(page: Page, name: str) -> None:
    """Keep a screenshot as an artefact of the run."""
    ARTIFACTS.mkdir(exist_ok=True)
    await page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)


async def fits(page: Page) -> bool:
    """Tell whether nothing is wider than the screen."""
    wide: bool = await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    return wide


async def odd_stories(newsroom: Newsroom) -> tuple[UUID, UUID]:
    """Write a story in a script from right to left, and one of thirty articles with words that are longer than a phone is wide."""
    reports = [
        Report("صحيفة الميناء", "المجلس البلدي يرفض رسوم الميناء بفارق صوت واحد", 30, "ar"),
        Report("Harbour Gazette", "No toll", 60),
    ]
    sections = [("المجلس يرفض الرسوم", [("قال رئيس المجلس إن التصويت نهائي ولن يعاد قبل نهاية السنة المقبلة.", [1, 2])])]
    right_to_left = await newsroom.story("rtl", reports[0].title, reports, sections, language="ar")
    word = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
    long = [Report(f"{word}zeitung {n}", f"{word}: https://example.example/{'very' * 20}", 5 + 17 * n, "de") for n in range(30)]
    told = [(f"{word} streikt", [(f"Die {word} streikt am Montag.", range(1, 13))])]
    return right_to_left, await newsroom.story("long", f"{word} streikt: {word} am Montag", long, told, language="de")


async def test_every_page_on_every_screen(web: Web, newsroom: Newsroom, browser: Browser) -> None:
    """Nothing is cut off on a phone or a desk, and every page is kept as a picture."""
    async with page_of(browser) as page:
        await page.goto(web.url)
        await shoot(page, "empty-desk-light")
    story_id = await fill(newsroom)
    right_to_left, many = await odd_stories(newsroom)
    pages = {
        "front": "/",
        "feeds": "/feeds",
        "feed": "/feeds/language/en",
        "story": f"/stories/{story_id}",
        "story-since": f"/stories/{story_id}?since=2",
        "story-right-to-left": f"/stories/{right_to_left}",
        "story-many": f"/stories/{many}",
        "sources": f"/stories/{story_id}/sources",
        "search": "/search?q=harbour",
        "search-nothing": "/search?q=zeppelin",
        "publisher": "/publishers/harbourgazette.example",
        "api": "/api/docs",
    }
    for screen, viewport, scheme in (("phone", PHONE, "light"), ("desk", DESK, "light"), ("desk", DESK, "dark")):
        async with page_of(browser, viewport=viewport, color_scheme=scheme) as page:
            for name, path in pages.items():
                await page.goto(web.url + path)
                assert await fits(page), (name, screen)
                await shoot(page, f"{name}-{screen}-{scheme}")
    async with page_of(browser, viewport={"width": 320, "height": 600}) as page:
        for name, path in pages.items():
            await page.goto(web.url + path)
            assert await fits(page), name


async def test_a_story_reads_without_javascript(web: Web, newsroom: Newsroom, browser: Browser) -> None:
    """Headline, brief, citations that jump to their source, sources, history and report form."""
    story_id = await fill(newsroom)
    async with page_of(browser, java_script_enabled=False, viewport=PHONE) as page:
        await page.goto(f"{web.url}/")
        await page.get_by_role("link", name=FERRY_HEADLINE).first.click()
        assert await page.get_by_role("heading", level=1).inner_text() == FERRY_HEADLINE
        assert await page.get_by_text("Updated (4 articles)").is_visible()
        await page.get_by_role("link", name="Source 2").first.click()
        assert page.url == f"{web.url}/stories/{story_id}#source-2"
        tint = await page.locator("#source-2").evaluate("element => getComputedStyle(element).backgroundColor")
        assert tint != "rgba(0, 0, 0, 0)"
        await page.get_by_text("Something grouped wrongly?").click()
        await page.get_by_label("What is wrong?").fill("Not this one")
        await page.get_by_role("button", name="Send to the editors").click()
        await page.get_by_role("heading", name="Thank you").wait_for()
        await shoot(page, "reported-phone-light")


async def test_a_citation_shows_its_source(web: Web, newsroom: Newsroom, browser: Browser) -> None:
    """Pointing at a citation, or reaching it by keyboard, shows the source and the sentence; each lights the other; Escape ends it."""
    story_id = await fill(newsroom)
    async with page_of(browser) as page:
        await page.goto(f"{web.url}/stories/{story_id}")
        cite = page.locator(".cite").nth(5)
        peek = page.get_by_role("tooltip")
        await cite.hover()
        assert "Northern Ledger" in await peek.inner_text()
        assert "Island crossing reopens" in await peek.inner_text()
        assert "The owners took back a cut in night pay" in await peek.inner_text()
        assert await page.locator("#source-2.lit").count() == 1
        await page.screenshot(path=ARTIFACTS / "citation-desk-light.png")
        await page.keyboard.press("Escape")
        assert await peek.is_hidden()
        await cite.focus()
        assert await peek.is_visible()
        assert await cite.get_attribute("aria-describedby") == "peek"
        await page.locator("#source-4").hover()
        assert await page.locator(".sentence.lit").count() == 4
    async with page_of(browser, viewport=PHONE) as page:
        await page.goto(f"{web.url}/stories/{story_id}")
        await page.locator(".cite").nth(9).focus()
        box = await page.get_by_role("tooltip").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]


async def test_an_open_story_updates_itself(web: Web, newsroom: Newsroom, browser: Browser) -> None:
    """A new article appears without a reload, its count too, is announced, and the reader's place is kept."""
    story_id = await newsroom.story("ferry", FERRY_HEADLINE, FERRY_REPORTS[:3], FERRY_SECTIONS[:1])
    async with page_of(browser, viewport=PHONE) as page:
        await page.goto(f"{web.url}/stories/{story_id}")
        assert await page.get_by_text("Updated (3 articles)").is_visible()
        await page.get_by_text("Live", exact=True).wait_for()
        await page.evaluate("window.stayed = true")
        await page.get_by_text("How this story grew").click()
        await newsroom.story("ferry", FERRY_HEADLINE, FERRY_REPORTS, FERRY_SECTIONS)
        await page.locator(".updated strong", has_text="Updated (4 articles)").wait_for()
        await page.get_by_role("heading", name="Life on the island without boats").wait_for()
        assert await page.locator("[data-announce]").inner_text() == "Updated (4 articles)"
        assert await page.evaluate("window.stayed")
        assert await page.locator("details.history").get_attribute("open") is not None


async def test_a_merged_story_takes_its_reader_along(web: Web, newsroom: Newsroom, browser: Browser) -> None:
    """Who has a story open when it is merged is led to where it lives on."""
    await newsroom.story("a", "The first", [Report("Outlet", "x")])
    await newsroom.story("b", "The second", [Report("Outlet", "y")])
    async with page_of(browser) as page:
        await page.goto(f"{web.url}/stories/{made_id('a')}")
        await page.get_by_text("Live", exact=True).wait_for()
        await newsroom.story("a", "The first", [], status=StoryStatus.MERGED, redirect_to="b", reason="merged")
        await page.wait_for_url(f"**/stories/{made_id('b')}")
        await page.get_by_role("heading", name="The second").wait_for()


async def test_the_front_page_fills_and_moves_by_itself(web: Web, newsroom: Newsroom, browser: Browser) -> None:
    """A first visitor of an empty front page sees stories come in; one who reads further down is asked first."""
    async with page_of(browser) as page:
        await page.goto(web.url)
        await page.get_by_text("The presses are warming up").wait_for()
        await page.get_by_text("Live", exact=True).wait_for()
        await fill(newsroom)
        await page.get_by_role("link", name="City council votes down").first.wait_for()
        await page.evaluate("scrollTo(0, 900)")
        await page.wait_for_function("scrollY > 400")
        await newsroom.story("late", "A late story", [Report(f"Outlet {n}", "x", 1) for n in range(30)])
        pill = page.locator("[data-pill]")
        await pill.wait_for()
        await shoot(page, "front-pill-desk-light")
        await pill.click()
        await page.locator(".front-lead", has_text="A late story").wait_for()


async def test_marks_tell_a_returning_reader_what_is_new(web: Web, newsroom: Newsroom, browser: Browser) -> None:
    """The browser remembers the revision that was read; the next visit marks what came since, and the front page says so."""
    story_id = await newsroom.story("ferry", FERRY_HEADLINE, FERRY_REPORTS[:3], FERRY_SECTIONS[:1])
    async with page_of(browser) as page:
        await page.goto(f"{web.url}/stories/{story_id}")
        await page.goto("about:blank")
        await newsroom.story("ferry", FERRY_HEADLINE, FERRY_REPORTS, FERRY_SECTIONS)
        await page.goto(web.url)
        await page.get_by_text("Updated since you read it").first.wait_for()
        await page.get_by_role("link", name=FERRY_HEADLINE).first.click()
        await page.get_by_text("1 new article since your last visit").wait_for()
        assert await page.locator("ins").count() == 2
        await shoot(page, "story-returning-desk-light")
        await page.reload()
        await page.get_by_text("Live", exact=True).wait_for()
        assert await page.locator("ins").count() == 0


async def test_hostile_text_runs_nowhere(web: Web, newsroom: Newsroom, browser: Browser) -> None:
    """Titles that are scripts are shown as what they say, also in what JavaScript makes of them."""
    reports = [Report(text, text) for text in HOSTILE]
    sections = [(text, [(text, range(1, len(HOSTILE) + 1))]) for text in HOSTILE]
    story_id = await newsroom.story("hostile", HOSTILE[0], reports, sections)
    async with page_of(browser) as page:
        for path in ("/", "/feeds", f"/stories/{story_id}", "/search?q=alert"):
            await page.goto(web.url + path)
            assert "alert(1)" in await page.locator("main").inner_text()
        await page.goto(f"{web.url}/stories/{story_id}")
        for place in range(6):
            await page.locator(".cite").nth(place).hover()
            assert HOSTILE[place] in (await page.get_by_role("tooltip").inner_text())
        await newsroom.story("hostile", HOSTILE[1], reports, sections)
        await page.get_by_role("heading", level=1, name=HOSTILE[1]).wait_for()


async def test_a_picture_keeps_its_place_and_leaves_no_hole(settings: WebSettings, newsroom: Newsroom, browser: Browser) -> None:
    """It loads without telling where it is shown, shifts nothing, and one that fails is taken away; without JavaScript a plate stays."""
    asked: list[tuple[str, str | None]] = []

    async def give(request: aiohttp.web.Request) -> aiohttp.web.Response:
        asked.append((request.path, request.headers.get("Referer")))
        if "missing" in request.path:
            return aiohttp.web.Response(status=404)
        return aiohttp.web.Response(body=image(request.path, "#7a3b2e"), content_type="image/svg+xml")

    outlet = aiohttp.web.Application()
    outlet.router.add_get("/{name}", give)
    runner = aiohttp.web.AppRunner(outlet)
    await runner.setup()
    [port] = free_ports(1)
    await aiohttp.web.TCPSite(runner, "127.0.0.1", port).start()
    origin = f"http://127.0.0.1:{port}"
    await newsroom.say_well()
    reports = [replace(report, image=f"{origin}/{name}.svg") for report, name in zip(FERRY_REPORTS, ("quay", "b", "c", "d"), strict=True)]
    shown = await newsroom.story("ferry", FERRY_HEADLINE, reports, FERRY_SECTIONS)
    failing = await newsroom.story("gone", "Gone", [Report("Ledger", "Gone", image=f"{origin}/missing.png")])
    picture = "document.querySelector('.picture img')"
    async with serving(settings.model_copy(update={"picture_sources": (origin,)})) as web:
        screens: tuple[tuple[str, Any, Any], ...] = (("phone", PHONE, "light"), ("desk", DESK, "dark"))
        for screen, viewport, scheme in screens:
            context = await browser.new_context(viewport=viewport, color_scheme=scheme, bypass_csp=True)
            page = await context.new_page()
            await page.add_init_script(SHIFTS)
            for name, path in (("front", "/"), ("story", f"/stories/{shown}")):
                await page.goto(web.url + path)
                await page.wait_for_function(f"{picture}.naturalWidth > 0")
                assert await fits(page)
                assert await page.evaluate("shifted") < 0.01
                await shoot(page, f"picture-{name}-{screen}-{scheme}")
                await page.evaluate(AXE)
                found = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
                assert [fault["id"] for fault in found["violations"]] == []
            await page.goto(f"{web.url}/stories/{failing}")
            await page.locator(".picture").wait_for(state="hidden")
            await context.close()
        async with page_of(browser, java_script_enabled=False) as page:
            await page.goto(f"{web.url}/stories/{shown}")
            assert await page.locator(".picture .plate").is_visible()
    await runner.cleanup()
    assert {path for path, _ in asked} == {"/quay.svg", "/missing.png"}
    assert {referer for _, referer in asked} == {None}


async def test_the_keyboard_reaches_everything(web: Web, newsroom: Newsroom, browser: Browser) -> None:
    """The first stop skips to the content; focus is visible at each stop; "/" goes to the search."""
    story_id = await fill(newsroom)
    async with page_of(browser) as page:
        await page.goto(f"{web.url}/stories/{story_id}")
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.textContent") == "Skip to the content"
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.closest('main') !== null")
        for _ in range(12):
            outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none"
            await page.keyboard.press("Tab")
        await page.keyboard.press("/")
        assert await page.evaluate("document.activeElement.id") == "q"


SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => { for (const shift of list.getEntries()) window.shifted += shift.value; }).observe({ type: "layout-shift", buffered: true });
"""
"""How much of the page moved after it was first drawn, as Chromium measures it."""
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
CONTRAST = """() => {
  const parse = (color) => { const n = color.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
  const linear = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color[3] === 1) return color;
    }
    return [255, 255, 255, 1];
  };
  const faults = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility() || element.closest("script, .unseen, svg, option")) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(parse(style.color)), light(ground(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const large = parseFloat(style.fontSize) >= 24;
    if (ratio < (large ? 3 : 4.5)) faults.push(`${ratio.toFixed(2)} ${walker.currentNode.textContent.trim().slice(0, 40)}`);
  }
  return faults;
}"""
"""Contrast also where axe leaves it open: text over gradients and beside what overlaps it."""


@pytest.mark.parametrize(("scheme", "viewport"), [("light", PHONE), ("dark", DESK)])
async def test_pages_can_be_used_by_all(web: Web, newsroom: Newsroom, browser: Browser, scheme: Any, viewport: Any) -> None:
    """Axe finds nothing on any page, everything on it opened, and no contrast is below 4.5 (WCAG AA)."""
    story_id: UUID = await fill(newsroom)
    right_to_left, many = await odd_stories(newsroom)
    paths = ["/", "/feeds", "/feeds/language/en", "/feeds/section/sport", "/search", "/search?q=harbour", "/search?q=zeppelin", "/nope"]
    paths += [f"/stories/{story_id}?since=2", f"/stories/{right_to_left}", f"/stories/{many}", f"/stories/{many}/sources"]
    paths += ["/publishers/meridianwire.example", "/api/docs", f"/stories/{story_id}/reports"]
    context = await browser.new_context(viewport=viewport, color_scheme=scheme, reduced_motion="reduce", bypass_csp=True)
    page = await context.new_page()
    for path in paths:
        await page.goto(web.url + path)
        assert await fits(page), path
        for summary in await page.locator("summary").all():
            await summary.click()
        await page.evaluate(AXE)
        found = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        assert [(fault["id"], fault["nodes"][0]["html"]) for fault in found["violations"]] == [], path
        assert await page.evaluate(CONTRAST) == [], path
    await context.close()


async def test_many_open_pages_do_not_ask_all_at_once(web: Web, newsroom: Newsroom, browser: Browser) -> None:
    """A list that changes without end is fetched anew at a measured pace."""
    await fill(newsroom)
    async with page_of(browser) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if "fragment=1" in request.url else None)
        await page.goto(web.url)
        await page.get_by_text("Live", exact=True).wait_for()
        for n in range(20):
            await newsroom.story("busy", f"Busy {n}", [Report("Outlet", "x")])
            async with asyncio.timeout(5):
                await page.evaluate("new Promise((done) => setTimeout(done, 100))")
        await page.get_by_text("Busy 19").first.wait_for()
        assert len(asked) <= 4

"""`slugline feeds import`: each feed is looked at first; duplicates, dead and moved ones are told apart."""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.ingest.cli import feeds_app
from services.ingest.registry import registered
from shared.settings import Settings
from tests.ingest.web import misbehaving_server

FEED = b"<rss version='2.0'><channel><title>T</title><item><title>A</title><link>https://harbour.example/1</link></item></channel></rss>"


async def test_an_import_reports_duplicates_dead_and_moved_feeds_and_registers_the_rest(
    clean_topics: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a real broker, a second import finds all of them there already."""
    monkeypatch.setenv("SLUGLINE_KAFKA_BOOTSTRAP_SERVERS", clean_topics)
    async with misbehaving_server() as server:
        server.answer("/good.xml", FEED)
        server.answer("/new.xml", FEED)
        server.answer("/old.xml", status="301 Moved Permanently", Location="/new.xml")
        server.answer("/detour.xml", status="302 Found", Location="/good.xml")
        server.answer("/gone.xml", status="410 Gone")
        server.answer("/page", b"<html><head><title>x</title></head><body>no feed</body></html>")
        server.answer("/busy.xml", status="503 Busy")
        paths = ("/good.xml", "/good.xml", "/old.xml", "/detour.xml", "/gone.xml", "/missing.xml", "/page", "/busy.xml")
        outlines = "".join(f'<outline type="rss" xmlUrl="{server.url(path)}"/>' for path in paths)
        file = tmp_path / "feeds.opml"
        file.write_text(f'<opml version="2.0"><body>{outlines}<outline type="rss" xmlUrl="ftp://x/feed"/></body></opml>')

        async def run() -> str:
            result = await asyncio.to_thread(CliRunner().invoke, feeds_app, ["import", str(file), "--allow", "127.0.0.1"])
            assert result.exit_code == 0, result.output
            return result.output

        said = await run()
        assert "3 feeds added, 0 were there already, 2 are there twice, 3 dead, 1 refused" in said
        for line in (
            f"there twice: {server.url('/detour.xml')} is the same feed as {server.url('/good.xml')}",
            f"dead: {server.url('/gone.xml')}: it answers with status 410",
            f"dead: {server.url('/page')}: html_page",
            f"added, but fails now: {server.url('/busy.xml')}: it answers with status 503",
            f"moved: {server.url('/old.xml')} has moved to {server.url('/new.xml')}",
        ):
            assert line in said
        urls = {one.feed.url for one in (await registered(Settings.load())).values()}
        assert urls == {server.url("/good.xml"), server.url("/new.xml"), server.url("/busy.xml")}
        assert "0 feeds added" in await run()

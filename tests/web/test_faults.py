"""The database goes away and comes back; the service says so, and is well again by itself."""

import json

import pytest

from deploy.local.postgres import Server
from services.publish.connect import connect
from services.publish.web.config import WebSettings
from tests.web.conftest import serving, until
from tests.web.newsroom import Newsroom, Report, fill, made_id
from tests.web.test_stream import listening, settled, told, update

pytestmark = pytest.mark.faults


async def test_without_the_database_the_page_says_so_and_recovers(settings: WebSettings, postgres_process: Server) -> None:
    """503 with a designed page and Retry-After meanwhile; not ready, but live; then all is well, and a stream has lost nothing."""
    connection = await connect(settings, "newsroom")
    newsroom = Newsroom(connection)
    story_id = await fill(newsroom)
    await newsroom.put(update("a", 1))
    async with serving(settings) as web:
        async with listening(web, f"?story={made_id('a')}") as ear:
            last_id = await ear.stand()
            postgres_process.kill()
            try:

                async def away() -> bool:
                    return (await web.get("/ready"))[0] == 503

                await until(away)
                assert (await web.get("/live"))[0] == 200
                for path in ("/", f"/stories/{story_id}", "/feeds", "/search?q=x"):
                    status, page, headers = await web.get(path)
                    assert status == 503
                    assert "We will be right back" in page
                    assert headers["Retry-After"]
                status, body, headers = await web.get("/api/feeds/top")
                assert (status, headers["Content-Type"]) == (503, "application/problem+json")
                assert "Try again" in json.loads(body)["detail"]
            finally:
                await postgres_process.start()

            async def back() -> bool:
                return (await web.get("/ready"))[0] == 200 and (await web.get("/"))[0] == 200

            await until(back, limit_s=30)
            newsroom.connection = await connect(settings, "newsroom")
            await newsroom.put(update("a", 2))
            assert told(await ear.take(1)) == [("a", 2)]
        async with listening(web, f"?story={made_id('a')}", last_id) as again:
            assert told(await again.take(1))[0] == ("a", 2)
        await newsroom.connection.close()


async def test_a_service_that_starts_before_its_database_waits_for_it(settings: WebSettings) -> None:
    """A schema that is missing is named in /ready; pages answer 503 until it is there."""
    connection = await connect(settings, "test")
    await connection.execute("DROP SCHEMA public CASCADE")
    await connection.execute("CREATE SCHEMA public")
    async with serving(settings, wait_for="/live") as web:

        async def named() -> bool:
            return "slugline db migrate" in (await web.get("/ready"))[1]

        await until(named)
        status, page, _ = await web.get("/")
        assert status == 503
        assert "<main" in page
        from services.publish import schema

        await schema.migrate(settings)

        async def ready() -> bool:
            return (await web.get("/ready"))[0] == 200 and (await web.get("/"))[0] == 200

        await until(ready)
    await connection.close()


async def test_an_error_of_ours_is_an_answer(settings: WebSettings, newsroom: Newsroom) -> None:
    """A fault in a route is a 500 with a page, not a broken connection, and does not end the service."""
    story_id = await newsroom.story("a", "a", [Report("Outlet", "x")])
    async with serving(settings) as web:
        await settled(web, "0:1")
        await newsroom.connection.execute("UPDATE stories SET links = '[{}]' WHERE story_id = $1", story_id)
        for path in (f"/stories/{story_id}", f"/api/stories/{story_id}"):
            status, body, _ = await web.get(path)
            assert status == 500
            assert ("This page failed" in body) if path.startswith("/stories") else (json.loads(body)["status"] == 500)
        assert (await web.get("/"))[0] == 200

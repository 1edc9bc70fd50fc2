"""The whole system with every door shut: each service as a user of its own, over TLS, with the permissions of the table and no others."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import TopicAuthorizationFailedError

from deploy.cli import SERVICES
from deploy.erasure import compaction
from deploy.erasure.needles import Needles
from deploy.erasure.scan import Found
from deploy.helm.generate import settings_of
from deploy.local.demo import register_feeds
from deploy.local.ports import LOOPBACK, free_ports
from deploy.local.postgres import ADMIN, Server
from services.ingest.post.tokens import Token, hashed, make_token, write_tokens
from services.publish import roles, schema
from services.publish.config import PublishSettings
from shared.access import ACCESS
from shared.errors import Unauthorised
from shared.kafka import acls, letters, offsets
from shared.kafka import admin as kafka_admin
from shared.kafka.client import client_options
from shared.kafka.refusals import explain
from shared.settings import Settings
from shared.topics import ALL, DEAD_LETTERS, DISCOVERIES, STORIES, STORY_INPUTS, STORY_UPDATES
from tests.processes import Service, running
from tests.security import chart
from tests.security.certificates import Authority
from tests.security.secured import ADMINISTRATOR, STRANGER, SecuredBroker
from tests.security.test_postgres import PASSWORD, Roles
from tests.security.tls_front import tls_front
from tests.system.recorded import FETCHING, recorded_web
from tests.system.stack import QUICK
from tests.topics import until

pytestmark = pytest.mark.stack
DATABASE_ROLES = {"materialise": "writer", "brief": "writer", "web": "web"}


@pytest.fixture
async def guarded(secured: SecuredBroker) -> SecuredBroker:
    """Give the secured broker with empty topics and the table's permissions."""
    async with kafka_admin.connected(secured.settings(ADMINISTRATOR)) as admin:
        await kafka_admin.recreate(admin)
        await acls.apply(admin)
    return secured


async def test_permissions_are_given_once_and_compared(guarded: SecuredBroker) -> None:
    async with kafka_admin.connected(guarded.settings(ADMINISTRATOR)) as admin:
        assert await acls.compare(admin) == acls.Standing((), ())
        assert (await acls.apply(admin)).missing == ()
        more = acls.rules("User:other-{name}")
        assert set((await acls.compare(admin, "User:other-{name}")).missing) == set(more)
    async with kafka_admin.connected(guarded.settings("slugline-poll")) as admin:
        with pytest.raises(Unauthorised, match="does not let this user see or change permissions"):
            await acls.compare(admin)


async def test_a_broker_without_an_authorizer_says_so(broker: str) -> None:
    async with kafka_admin.connected(broker) as admin:
        with pytest.raises(acls.AclsRefused, match=r"no authorizer.*authorizer.class.name"):
            await acls.apply(admin)


async def test_ingest_reads_no_stories(guarded: SecuredBroker) -> None:
    for user in ("slugline-poll", "slugline-fetch", "slugline-post"):
        with pytest.raises(TopicAuthorizationFailedError):
            await read(guarded, user, STORIES.name)
    assert await read(guarded, "slugline-reader", STORIES.name) == []


async def test_its_own_user_tells_a_service_whether_its_topics_are_there(guarded: SecuredBroker) -> None:
    """As pods wait for them: who may not see a topic misses it."""
    for name in ("fetch", "link", "brief"):
        wanted = (*ACCESS[name].reads, *ACCESS[name].writes)
        async with kafka_admin.connected(guarded.settings(f"slugline-{name}")) as admin:
            assert await kafka_admin.check_presence(admin, wanted) == []
            assert await kafka_admin.check_presence(admin, ALL) != []
    async with kafka_admin.connected(guarded.settings(ADMINISTRATOR)) as admin:
        [more] = await kafka_admin.check_presence(admin, [replace(STORIES, partitions=STORIES.partitions + 1)])
    assert (more.setting, more.found, more.remedy) == ("partitions", str(STORIES.partitions), "operation")


async def read(broker: SecuredBroker, user: str, topic: str) -> list[Any]:
    """Read what there is at once, as a consumer without a group."""
    async with asyncio.timeout(30), AIOKafkaConsumer(topic, **client_options(broker.settings(user)), group_id=None) as consumer:
        return [record for got in (await consumer.getmany(timeout_ms=300)).values() for record in got]


async def test_a_reader_writes_nothing(guarded: SecuredBroker) -> None:
    async with AIOKafkaProducer(**client_options(guarded.settings("slugline-reader"))) as producer:
        for topic in ALL:
            with pytest.raises(TopicAuthorizationFailedError) as refused:
                await producer.send_and_wait(topic.name, b"mine", partition=0)
            assert re.search(rf"the topic {re.escape(topic.name)}: a permission is missing", str(explain(refused.value)))


async def test_the_operator_resets_and_reads_without_being_an_administrator(guarded: SecuredBroker) -> None:
    operator = guarded.settings("slugline-operator")
    for stage in offsets.STAGES.values():
        assert len(await offsets.show(operator, stage)) == stage.source.partitions
    assert await offsets.reset(operator, offsets.STAGES["assign"], [0], "earliest") == [(0, 0)]
    assert await offsets.reset(operator, offsets.STAGES["enrich"], [0], "latest") == [(0, 0)]
    assert await letters.read(operator, letters.Wanted()) == []
    async with kafka_admin.connected(operator) as admin:
        assert await kafka_admin.check(admin, replication=1) == []
        assert (await kafka_admin.apply(admin, replication=1)).changed == ()


async def test_the_operator_erases_at_once(guarded: SecuredBroker) -> None:
    """Records are cut off the logs that expire; compacted topics are made to compact."""
    operator = guarded.settings("slugline-operator")
    logs = [topic for topic in ALL if topic.config["cleanup.policy"] == "delete"]
    assert {topic.name for topic in logs} == {DISCOVERIES.name, STORY_INPUTS.name, STORY_UPDATES.name, DEAD_LETTERS.name}
    async with AIOKafkaProducer(**client_options(operator)) as producer:
        for topic in logs:
            await producer.send_and_wait(topic.name, b"of an erased article", key=b"key", partition=0)
    await compaction.cut_logs(operator, [Found(topic, last_offsets={0: 0}) for topic in logs])
    for topic in logs:
        assert await read(guarded, "slugline-operator", topic.name) == []
    [stories] = await compaction.compact_now(operator, [STORIES], Needles().content(), limit_s=30)
    assert not stories.old


@pytest.mark.parametrize("service", ["poll", "assign", "link"])
async def test_a_service_without_permissions_ends_and_says_which(
    guarded: SecuredBroker, postgres: str, tmp_path: Path, service: str
) -> None:
    await schema.migrate(PublishSettings(database_url=postgres))
    one = Service(service, tmp_path / "log", **guarded.options(STRANGER), database_url=postgres, session_timeout_s=6)
    with running(one):

        async def ended() -> bool:
            return one.ended is not None

        with suppress(AssertionError):
            await until(ended, f"{service} ended", 60)
        assert one.ended == 1, one.logged()[-3_000:]
    [failed] = [event for event in events(one) if event.get("event") == "service_failed"]
    # Kafka does not tell poll and fetch, which look first whether their topic of commands is there, from one that is not.
    assert failed["kind"] == ("OwnerError" if service in ("poll", "fetch") else "Unauthorised"), failed
    assert "a permission is missing" in failed["error"]
    assert "Give it with: slugline topics acls --apply" in failed["error"]
    assert "Traceback" not in one.logged()


async def test_a_materialiser_without_permissions_waits_and_says_for_what(guarded: SecuredBroker, postgres: str, tmp_path: Path) -> None:
    """It can't tell a topic that it may not see from one that is still to be made."""
    await schema.migrate(PublishSettings(database_url=postgres))
    one = Service("materialise", tmp_path / "log", **guarded.options(STRANGER), database_url=postgres)
    with running(one):

        async def waits() -> bool:
            return "topics_missing" in one.logged()

        await until(waits, "the missing topics told", 60)
        assert "slugline topics acls --apply" in one.logged()
        assert one.alive


async def test_a_materialiser_with_the_web_s_role_ends_and_says_so(
    guarded: SecuredBroker, postgres: str, postgres_process: Server, authority: Authority, unique: Callable[[str], str], tmp_path: Path
) -> None:
    async with database(postgres, postgres_process, authority, unique) as url:
        one = Service("materialise", tmp_path / "log", **guarded.options("slugline-materialise"), database_url=url("web"))
        with running(one):

            async def ended() -> bool:
                return one.ended is not None

            await until(ended, "it ended", 60)
    [failed] = [event for event in events(one) if event.get("event") == "service_failed"]
    assert failed["kind"] == "Unauthorised", failed
    assert failed["error"].startswith("the database refuses this role: permission denied for table")


def events(service: Service) -> list[dict[str, Any]]:
    return [json.loads(line) for line in service.logged().splitlines() if line.startswith("{")]


@pytest.mark.skipif(chart.HELM is None, reason="needs helm, which `make deploy-check` fetches")
async def test_an_article_goes_all_the_way_as_the_chart_runs_it(
    guarded: SecuredBroker, postgres: str, postgres_process: Server, authority: Authority, unique: Callable[[str], str], tmp_path: Path
) -> None:
    """Job, waiting and services with just the environment, secrets and permissions of the rendered manifests."""
    token = make_token()
    async with database(postgres, postgres_process, authority, unique, migrated=False) as url:
        release = rendered(guarded, authority, url, token, tmp_path)
        assert release.rules() == set(acls.rules()), "the broker has these, and the chart gives them"
        async with kafka_admin.connected(guarded.settings(ADMINISTRATOR)) as admin:
            await admin.delete_topics([DEAD_LETTERS.name])
        before = await asyncio.gather(*(one.run() for one in (*release.waits("fetch")[:1], *release.waits("web"))))
        assert [code for code, _ in before] == [1, 1], before
        assert [DEAD_LETTERS.name in before[0][1], "slugline db migrate" in before[1][1]] == [True, True], before
        for one in release.job():
            code, said = await one.run()
            assert code == 0, said
        waited = await asyncio.gather(*(one.run() for name in ("fetch", "brief", "web") for one in release.waits(name)))
        assert [code for code, _ in waited] == [0] * 4, waited
        await must_not(release)
        settings = {name: release.service(name).settings for name in SERVICES}
        operator = Settings.load(**release.service("operator").settings)
        await go_all_the_way(operator, postgres, settings, [*guarded.passwords.values(), PASSWORD, token], tmp_path)


async def must_not(release: chart.Release) -> None:
    """Have services do what only the jobs may: Kafka and the database refuse it."""
    topics_apply, migrate = release.job()
    tries = (
        replace(topics_apply, settings=release.service("fetch").settings),
        replace(migrate, settings=release.service("brief").settings),
    )
    (_, kafka_said), (_, database_said) = refused = await asyncio.gather(*(one.run() for one in tries))
    assert [code for code, _ in refused] == [1, 1], refused
    assert "does not let this user" in kafka_said
    assert "permission denied" in database_said


def rendered(broker: SecuredBroker, authority: Authority, url: Callable[[str], str], token: str, folder: Path) -> chart.Release:
    """Render the chart for this broker and database, as one would for a cluster that has them, with Strimzi's users."""
    ours = {**QUICK, **FETCHING, "post_tokens_file": "/etc/slugline/senders/tokens"}
    takes = {name: set(settings_of(name).model_fields) for name in SERVICES}
    values = {
        "image": {"repository": "registry.example/slugline"},
        "kafka": {
            "bootstrapServers": broker.bootstrap_servers,
            "replication": 1,
            "security": {"protocol": "SASL_SSL", "caSecret": {"name": "kafka-ca"}},
        },
        "database": {"existingSecret": {"name": "database", "key": "writer", "webKey": "web", "migratorKey": "migrator"}},
        "extraVolumes": [{"name": name, "secret": {"secretName": name}} for name in ("database-ca", "senders")],
        "extraVolumeMounts": [{"name": name, "mountPath": f"/etc/slugline/{name}"} for name in ("database-ca", "senders")],
        "jobs": {"mode": "plain"},
        "operator": {"enabled": True},
        "strimzi": {"cluster": "events", "users": {"enabled": True}},
        "services": {
            name: {"enabled": True, "settings": {setting: ours[setting] for setting in ours.keys() & takes[name]}} for name in SERVICES
        },
    }
    write_tokens(folder / "tokens", [Token(hashed(token), "desk", date(2026, 1, 1))])
    secrets = {
        "kafka-ca": {"ca.crt": authority.certificate.read_text()},
        "database-ca": {"ca.pem": authority.certificate.read_text()},
        "database": {
            role: url(role).replace(str(authority.certificate), "/etc/slugline/database-ca/ca.pem")
            for role in ("writer", "web", "migrator")
        },
        "senders": {"tokens": (folder / "tokens").read_text()},
        **{f"slugline-{name}": {"password": broker.passwords[f"slugline-{name}"]} for name in ACCESS},
    }
    return chart.Release(folder, values, secrets)


@pytest.mark.skipif(chart.HELM is not None, reason="the same as the chart runs it is tested")
async def test_an_article_goes_all_the_way_with_the_least_rights(
    guarded: SecuredBroker, postgres: str, postgres_process: Server, authority: Authority, unique: Callable[[str], str], tmp_path: Path
) -> None:
    token = make_token()
    write_tokens(tmp_path / "tokens", [Token(hashed(token), "desk", date(2026, 1, 1))])
    names = [name for name in ACCESS if name not in ("operator", "reader")] + ["web"]
    async with database(postgres, postgres_process, authority, unique) as url:
        settings = {
            name: {
                **QUICK,
                **FETCHING,
                **(guarded.options(f"slugline-{name}") if name != "web" else {}),
                **({"database_url": url(DATABASE_ROLES[name])} if name in DATABASE_ROLES else {}),
                "post_tokens_file": tmp_path / "tokens",
            }
            for name in names
        }
        operator = guarded.settings("slugline-operator")
        await go_all_the_way(operator, postgres, settings, [*guarded.passwords.values(), PASSWORD, token], tmp_path)


async def go_all_the_way(
    operator: Settings, postgres: str, settings: Mapping[str, Mapping[str, object]], secrets: list[str], folder: Path
) -> None:
    """Outlets' feeds and a sender's post become pages, nobody is refused anything on the way, and no log has a secret.

    The last of the secrets is the sender's token.
    """
    *ports, web_port, post_port = free_ports(len(settings) + 2)
    hosts = {"health_host": LOOPBACK, "web_host": LOOPBACK, "post_host": LOOPBACK, "web_port": web_port, "post_port": post_port}
    services = [
        Service(name, folder / f"{name}.log", **{**settings[name], **hosts, "health_port": port})
        for name, port in zip(settings, ports, strict=True)
    ]
    async with recorded_web(operator.kafka_bootstrap_servers, folder) as web:
        web.clock.position_s = 80
        with running(*services):
            await register_feeds(f"{web.server.url}/feeds.opml", operator)
            async with aiohttp.ClientSession() as session:
                await until(lambda: all_ready(session, ports), "all services ready", 120)
                article = {
                    "id": "p1",
                    "title": "Ferry aground off Vessen",
                    "text": "Two tugs pulled the ferry free.",
                    "url": "https://desk.example/1",
                }
                posted = await session.post(
                    f"http://{LOOPBACK}:{post_port}/articles", json=[article], headers={"Authorization": f"Bearer {secrets[-1]}"}
                )
                assert (posted.status, (await posted.json())["accepted"]) == (200, 1), await posted.text()

                async def through() -> bool:
                    connection = await asyncpg.connect(postgres)
                    try:
                        return bool(await connection.fetchval(_THROUGH))
                    finally:
                        await connection.close()

                await until(through, "articles, stories and briefs in rows", 120, 0.5)
                await look_at_all_pages(session, f"http://{LOOPBACK}:{web_port}")
        assert [one.name for one in services if one.ended is not None] == []
    told = [line for one in services for line in events(one)]
    assert [line for line in told if line.get("event") == "service_failed" or "AuthorizationFailed" in json.dumps(line)] == []
    logs = "".join(one.logged() for one in services)
    assert not [secret for secret in secrets if secret in logs]


async def look_at_all_pages(session: aiohttp.ClientSession, web: str) -> None:
    """Ask for each kind of page and answer, and send a report: none may want a right that the web's role lacks."""
    async with session.get(f"{web}/") as page:
        stories = re.findall(r'href="(/stories/[^"/]+)"', await page.text())
    assert stories
    api = ("/api/feeds", "/api/feeds/top", f"/api{stories[0]}", f"/api{stories[0]}/history", "/api/search?q=ferry")
    pages = ("/feeds", "/feeds/top", stories[0], f"{stories[0]}/sources", "/search?q=ferry", "/search?q=ferrry", "/feeds/top.rss", "/ready")
    for path in (*pages, *api):
        async with session.get(f"{web}{path}") as answer:
            assert answer.status in (200, 404), (path, answer.status, await answer.text())
    async with session.post(f"{web}{stories[0]}/reports", data={"words": "made up"}, allow_redirects=False) as report:
        assert report.status == 303, await report.text()


_THROUGH = """
SELECT (SELECT count(*) FROM articles) > 5 AND EXISTS (SELECT FROM story_briefs)
    AND EXISTS (SELECT FROM story_members m JOIN articles a USING (article_id) WHERE a.title LIKE 'Ferry aground off Vessen%')
"""


async def all_ready(session: aiohttp.ClientSession, ports: list[int]) -> bool:
    for port in ports:
        try:
            async with session.get(f"http://{LOOPBACK}:{port}/ready") as answer:
                if answer.status != 200:
                    return False
        except aiohttp.ClientError:
            return False
    return True


@asynccontextmanager
async def database(
    postgres: str, server: Server, authority: Authority, unique: Callable[[str], str], *, migrated: bool = True
) -> AsyncIterator[Callable[[str], str]]:
    """Give the database's URL by role, over TLS; its tables are the migrator's."""
    prefix = unique("t").replace("-", "_")
    administrator = await asyncpg.connect(server.url(urlsplit(postgres).path[1:], ADMIN))
    await roles.apply(administrator, "public", prefix)
    for role in roles.ROLES:
        await roles.set_password(administrator, f"{prefix}_{role}", PASSWORD)
    given = Roles(postgres, prefix)
    if migrated:
        await schema.migrate(PublishSettings(database_url=given.url("migrator")))
    await administrator.execute(f"GRANT {prefix}_writer TO {urlsplit(postgres).username}")  # the test's own look at the rows
    async with tls_front(server.port, *authority.sign("database")) as port:
        query = f"?sslmode=verify-full&sslrootcert={authority.certificate}"
        yield lambda role: re.sub(r":\d+/", f":{port}/", given.url(role)) + query
    for name in roles.role_names(prefix).values():
        await administrator.execute(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")
    await administrator.close()

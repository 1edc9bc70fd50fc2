"""Postgres over TLS, and what each of its roles may do."""

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from deploy.local.postgres import ADMIN, Server
from services.publish import roles, schema
from services.publish.config import PublishSettings
from services.publish.connect import connect, open_pool
from shared.errors import InvalidSetting, Unauthorised
from tests.processes import Service, running
from tests.security.certificates import Authority, make_authority
from tests.security.tls_front import tls_front
from tests.topics import until

pytestmark = pytest.mark.stack
PASSWORD = "made up for a test"


def with_port(url: str, port: int, query: str) -> str:
    return re.sub(r":\d+/", f":{port}/", url) + query


@pytest.fixture
async def front(postgres_process: Server, authority: Authority) -> AsyncIterator[int]:
    async with tls_front(postgres_process.port, *authority.sign("postgres")) as port:
        yield port


async def test_a_connection_over_tls_checks_the_certificate(postgres: str, front: int, authority: Authority) -> None:
    query = f"?sslmode=verify-full&sslrootcert={authority.certificate}"
    settings = PublishSettings.load(database_url=with_port(postgres, front, query))
    connection = await connect(settings, "test")
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()
    pool = await open_pool(settings, "test")
    assert await pool.fetchval("SELECT 1") == 1
    await pool.close()
    assert await schema.migrate(settings) == schema.newest_version()


async def test_a_certificate_of_another_authority_is_refused(postgres: str, front: int, tmp_path: Path) -> None:
    other = make_authority(tmp_path)
    settings = PublishSettings.load(database_url=with_port(postgres, front, f"?sslmode=verify-full&sslrootcert={other.certificate}"))
    with pytest.raises(Unauthorised, match=r"the database's certificate is not trusted: .*sslrootcert"):
        await connect(settings, "test")
    with pytest.raises(Unauthorised, match="not trusted"):
        await open_pool(settings, "test")


async def test_a_server_without_tls_is_told_where_tls_is_wanted(postgres: str) -> None:
    with pytest.raises(Unauthorised, match="speaks no TLS, but sslmode"):
        await connect(PublishSettings.load(database_url=f"{postgres}?sslmode=require"), "test")


async def test_a_wrong_password_is_told_at_once(postgres: str) -> None:
    wrong = postgres.replace(str(urlsplit(postgres).password), "wrong")
    with pytest.raises(Unauthorised, match=r"refuses the password.*SLUGLINE_DATABASE_URL") as told:
        await connect(PublishSettings.load(database_url=wrong), "test")
    assert "wrong" not in str(told.value)


async def test_the_password_may_be_in_a_file(postgres: str, tmp_path: Path) -> None:
    parts = urlsplit(postgres)
    file = tmp_path / "password"
    file.write_text(f"{parts.password}\n")
    url = parts._replace(netloc=f"{parts.username}@{parts.hostname}:{parts.port}").geturl()
    connection = await connect(PublishSettings.load(database_url=url, database_password_file=str(file)), "test")
    await connection.close()


class Roles:
    """The roles of one database, each with a way in."""

    def __init__(self, url: str, prefix: str) -> None:
        self._url = urlsplit(url)
        self.prefix = prefix

    def url(self, role: str) -> str:
        place = f"{self._url.hostname}:{self._url.port}"
        return self._url._replace(netloc=f"{self.prefix}_{role}:{PASSWORD.replace(' ', '%20')}@{place}").geturl()

    async def connect(self, role: str) -> asyncpg.Connection:
        return await connect(PublishSettings.load(database_url=self.url(role)), "test")


@pytest.fixture
async def given(postgres: str, postgres_process: Server, unique: Callable[[str], str]) -> AsyncIterator[Roles]:
    """Give the roles on a database that was migrated by its owner before, as one is that runs already."""
    await schema.migrate(PublishSettings(database_url=postgres))
    prefix = unique("t").replace("-", "_")
    database = urlsplit(postgres).path[1:]
    administrator = await asyncpg.connect(postgres_process.url(database, ADMIN))
    try:
        for _ in range(2):
            await roles.apply(administrator, "public", prefix)
        for role in roles.ROLES:
            await roles.set_password(administrator, f"{prefix}_{role}", PASSWORD)
        yield Roles(postgres, prefix)
        for name in roles.role_names(prefix).values():
            await administrator.execute(f"DROP OWNED BY {name} CASCADE")
            await administrator.execute(f"DROP ROLE {name}")
    finally:
        await administrator.close()


async def refused(connection: asyncpg.Connection, *statements: str) -> None:
    for statement in statements:
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError)):
            await connection.execute(statement)


async def test_the_writer_writes_rows_and_changes_no_table(given: Roles) -> None:
    writer = await given.connect("writer")
    await writer.execute("INSERT INTO brief_queue (story_id) VALUES (gen_random_uuid())")
    await writer.execute("DELETE FROM brief_queue")
    await writer.execute("TRUNCATE stories")
    await refused(
        writer,
        "CREATE TABLE mine (id int)",
        "ALTER TABLE stories ADD COLUMN mine int",
        "DROP TABLE stories",
        "UPDATE alembic_version SET version_num = '0'",
        "CREATE ROLE mine",
    )
    await writer.close()


async def test_the_web_reads_what_is_published_and_adds_reports(given: Roles) -> None:
    web = await given.connect("web")
    for table in roles.WEB_READS:
        if await web.fetchval("SELECT to_regclass($1)", table) is not None:
            await web.fetch(f"SELECT * FROM {table} LIMIT 1")
    number = "INSERT INTO story_reports (story_id, words) VALUES (gen_random_uuid(), 'wrong') RETURNING report_id"
    assert await web.fetchval(number) == 1
    await refused(
        web,
        "SELECT words FROM story_reports",
        "UPDATE story_reports SET resolved_at = now()",
        "SELECT secret FROM webhooks",
        "DELETE FROM brief_queue",
        "UPDATE stories SET revision = 0",
        "DELETE FROM articles",
        "INSERT INTO feed_views (feed) VALUES ('search/mine')",
    )
    await web.close()


async def test_a_reader_reads_views_and_nothing_else(given: Roles) -> None:
    reader = await given.connect("reader")
    assert await reader.fetch("SELECT * FROM top_headlines") == []
    await refused(
        reader,
        "SELECT * FROM stories",
        "SELECT * FROM webhooks",
        "SELECT * FROM story_reports",
        "INSERT INTO story_reports (story_id) VALUES (gen_random_uuid())",
        "CREATE TEMPORARY TABLE mine (id int)",
    )
    await reader.execute("SET default_transaction_read_only = off")
    await refused(reader, "DELETE FROM stories", "CREATE TABLE public.mine (id int)")
    await reader.close()


async def test_the_migrator_migrates_and_new_tables_are_the_writers_too(given: Roles) -> None:
    assert await schema.migrate(PublishSettings.load(database_url=given.url("migrator"))) == schema.newest_version()
    migrator = await given.connect("migrator")
    await migrator.execute("CREATE TABLE of_a_later_version (id bigint GENERATED ALWAYS AS IDENTITY, words text)")
    writer, web = await given.connect("writer"), await given.connect("web")
    await writer.execute("INSERT INTO of_a_later_version (words) VALUES ('new')")
    await refused(web, "SELECT * FROM of_a_later_version")
    for connection in (migrator, writer, web):
        await connection.close()


async def test_roles_may_come_before_the_first_migration(postgres: str, postgres_process: Server, unique: Callable[[str], str]) -> None:
    prefix = unique("t").replace("-", "_")
    administrator = await asyncpg.connect(postgres_process.url(urlsplit(postgres).path[1:], ADMIN))
    await roles.apply(administrator, "public", prefix)
    for role in ("migrator", "web"):
        await roles.set_password(administrator, f"{prefix}_{role}", PASSWORD)
    await schema.migrate(PublishSettings(database_url=Roles(postgres, prefix).url("migrator")))
    web = await Roles(postgres, prefix).connect("web")
    assert await web.fetch("SELECT * FROM stories") == []
    await web.close()
    standing = {one.role: one for one in await roles.show(administrator, "public", prefix)}
    assert standing[f"{prefix}_web"].has_password
    assert not standing[f"{prefix}_reader"].has_password
    assert standing[f"{prefix}_web"].privileges["stories"] == "SELECT"
    for name in roles.role_names(prefix).values():
        await administrator.execute(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")
    await administrator.close()


async def test_a_role_without_a_password_lets_nobody_in(given: Roles, postgres_process: Server) -> None:
    administrator = await asyncpg.connect(postgres_process.url("postgres", ADMIN))
    await administrator.execute(f"ALTER ROLE {given.prefix}_web PASSWORD NULL")
    await administrator.close()
    with pytest.raises(Unauthorised):
        await given.connect("web")


async def test_an_owner_with_createrole_may_apply_and_others_may_not(
    postgres: str, postgres_process: Server, unique: Callable[[str], str]
) -> None:
    prefix = unique("t").replace("-", "_")
    connection = await connect(PublishSettings(database_url=postgres), "test")
    with pytest.raises(Unauthorised, match="Use a superuser, or the owner with CREATEROLE"):
        await roles.apply(connection, "public", prefix)
    owner = f"{prefix}_owner"
    administrator = await asyncpg.connect(postgres_process.url("postgres", ADMIN))
    database = urlsplit(postgres).path[1:]
    await administrator.execute(f"CREATE ROLE {owner} LOGIN CREATEROLE PASSWORD '{PASSWORD}'")
    await administrator.execute(f"ALTER DATABASE {database} OWNER TO {owner}")
    own = await connect(PublishSettings(database_url=Roles(postgres, prefix).url("owner")), "test")
    await schema.migrate(PublishSettings(database_url=Roles(postgres, prefix).url("owner")))
    await roles.apply(own, "public", prefix)
    assert await own.fetchval("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'stories'::regclass") == f"{prefix}_migrator"
    await own.close()
    await connection.close()
    await administrator.execute(f"ALTER DATABASE {database} OWNER TO {ADMIN}")
    await administrator.close()
    within = await asyncpg.connect(postgres_process.url(database, ADMIN))
    for name in (*roles.role_names(prefix).values(), owner):
        await within.execute(f"DROP OWNED BY {name} CASCADE")
    for name in (*roles.role_names(prefix).values(), owner):
        await within.execute(f"DROP ROLE {name}")
    await within.close()


async def test_a_web_with_another_role_ends_and_says_so(given: Roles, tmp_path: Path) -> None:
    web = Service("web", tmp_path / "log", database_url=given.url("reader"), web_port=0)
    with running(web):

        async def ended() -> bool:
            return web.ended is not None

        await until(ended, "the web ended", 60)
    [failed] = [line for line in web.logged().splitlines() if "service_failed" in line]
    assert '"kind": "Unauthorised"' in failed
    assert "slugline db roles show" in failed
    assert "Traceback" not in web.logged()


def test_a_prefix_that_is_no_name_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="no beginning of a role's name"):
        roles.role_names('x"; DROP TABLE stories; --')

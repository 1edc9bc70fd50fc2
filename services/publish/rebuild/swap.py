"""A second schema beside the live one, and the stroke that puts its tables into the place of the live ones."""

# Names of schemas, tables and views come from the settings' pattern and from the catalogue, and are quoted.
# ruff: noqa: S608

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import asyncpg

from services.publish.connect import Connection
from services.publish.materialise import tables
from services.publish.materialise.entries import ENTRIES_LOCK, fill_view
from services.publish.webhooks.queue import touch_stories
from shared.errors import Refused

SWAPPED: Final = (*(table.name for table in tables.ALL), "feed_entries", "consumed_offsets")
"""All that topics say, and what is derived from it in the same transactions."""
READ: Final = ("feed_views",)
"""What operators wrote and the filling materialiser reads: shown in the second schema as it is. All other tables are empty there, so that
what it writes beside the rows (briefs' and webhooks' queues) reaches nobody, and goes with that schema."""
LOCK_WAIT_MS: Final = 300
"""How long the swap waits for readers to let go of tables: less than Postgres takes to call it a deadlock, so that no reader is ended."""
PAUSE_S: Final = 0.05

_TABLES: Final = "SELECT relname FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'p') ORDER BY relname"
_INDEXES: Final = """
SELECT coalesce(
    'ALTER TABLE ' || quote_ident($2) || '.' || quote_ident(t.relname) || ' ADD CONSTRAINT ' || quote_ident(c.conname) || ' '
        || pg_get_constraintdef(c.oid),
    regexp_replace(
        pg_get_indexdef(i.indexrelid), ' ON (ONLY )?\\S+ USING ', ' ON ' || quote_ident($2) || '.' || quote_ident(t.relname) || ' USING '
    )
) AS statement
FROM pg_index i
JOIN pg_class t ON t.oid = i.indrelid
LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype IN ('p', 'u', 'x')
WHERE t.relnamespace = $1::regnamespace AND t.relname = ANY ($3::text[])
ORDER BY i.indisprimary DESC, i.indexrelid
"""
_OPTIONS: Final = """
SELECT format('ALTER TABLE %I.%I SET (%s)', $2::text, relname, array_to_string(reloptions, ', ')) AS statement
FROM pg_class WHERE relnamespace = $1::regnamespace AND relname = ANY ($3::text[]) AND reloptions IS NOT NULL
UNION ALL
SELECT format('ALTER TABLE %I.%I OWNER TO %I', $2::text, relname, pg_get_userbyid(relowner))
FROM pg_class WHERE relnamespace = $1::regnamespace AND relname = ANY ($3::text[]) AND pg_get_userbyid(relowner) <> current_user
UNION ALL
SELECT format(
    'GRANT %s ON %I.%I TO %s%s', a.privilege_type, $2::text, c.relname,
    CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
    CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
WHERE c.relnamespace = $1::regnamespace AND c.relname = ANY ($3::text[]) AND a.grantee <> c.relowner
"""
_FUNCTIONS: Final = """
SELECT pg_get_functiondef(p.oid) AS definition, p.proname FROM pg_proc p
WHERE p.pronamespace = $1::regnamespace AND p.prokind = 'f'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
"""
_DEPENDING: Final = """
SELECT DISTINCT v.oid, n.nspname, v.relname, v.relkind::text AS relkind, v.reloptions, pg_get_viewdef(v.oid) AS definition
FROM pg_depend d
JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
JOIN pg_class v ON v.oid = r.ev_class
JOIN pg_namespace n ON n.oid = v.relnamespace
JOIN pg_class t ON d.refclassid = 'pg_class'::regclass AND t.oid = d.refobjid
WHERE t.relnamespace = $1::regnamespace AND t.relname = ANY ($2::text[]) AND n.nspname <> $3 AND v.oid <> t.oid
ORDER BY v.oid
"""
_BEHIND: Final = """
SELECT coalesce(sum(greatest(l.next_offset - coalesce(s.next_offset, 0), 0)), 0)::bigint
FROM {live}.consumed_offsets l LEFT JOIN {spare}.consumed_offsets s USING (topic, partition)
"""
_AHEAD_SINCE: Final = """
SELECT min(coalesce(l.appended_at, '-infinity')) - interval '1 minute'
FROM {live}.consumed_offsets l JOIN {spare}.consumed_offsets s USING (topic, partition) WHERE s.next_offset > l.next_offset
"""
_CHANGED_SINCE: Final = """
SELECT story_id FROM stories WHERE appended_at >= $1
UNION SELECT story_id FROM story_briefs WHERE appended_at >= $1
UNION SELECT m.story_id FROM articles a JOIN story_members m USING (article_id) WHERE a.appended_at >= $1
"""
_QUEUE_BRIEFS: Final = "INSERT INTO brief_queue (story_id) SELECT unnest($1::uuid[])"
_VIEWS_PRINT: Final = "SELECT md5(coalesce(string_agg(v::text, '|' ORDER BY v.feed), '')) FROM {live}.feed_views v"


@dataclass(frozen=True, slots=True)
class Schemas:
    """The live schema, the one that is filled beside it, and the one that takes the live one's tables."""

    live: str

    @property
    def spare(self) -> str:
        """Name the schema that is filled."""
        return f"{self.live[:50]}_rebuilt"

    @property
    def past(self) -> str:
        """Name the schema that the tables of before are dropped with."""
        return f"{self.live[:50]}_before"


async def prepare(connection: Connection, schemas: Schemas) -> None:
    """Make the second schema: empty tables like the live ones, and views of all else. What an earlier try left is dropped first.

    Raises `Refused` where something of the operator's own hangs on a table that would be replaced.
    """
    await _refuse_bound(connection, schemas)
    live, spare = _quoted(schemas.live), _quoted(schemas.spare)
    async with connection.transaction():
        await clear(connection, schemas)
        await connection.execute(f"CREATE SCHEMA {spare}")
        for row in await connection.fetch(_FUNCTIONS, schemas.live):
            await connection.execute(row["definition"].replace(f"FUNCTION {schemas.live}.", f"FUNCTION {spare}.", 1))
        cloned = []
        for row in await connection.fetch(_TABLES, schemas.live):
            name = _quoted(row["relname"])
            if row["relname"] in READ:
                await connection.execute(f"CREATE VIEW {spare}.{name} AS SELECT * FROM {live}.{name}")
            else:
                await connection.execute(f"CREATE TABLE {spare}.{name} (LIKE {live}.{name} INCLUDING ALL EXCLUDING INDEXES)")
                cloned.append(row["relname"])
        for query in (_INDEXES, _OPTIONS):
            for row in await connection.fetch(query, schemas.live, schemas.spare, cloned):
                await connection.execute(row["statement"])
        await connection.execute(f"INSERT INTO {spare}.alembic_version SELECT * FROM {live}.alembic_version")


async def behind(connection: Connection, schemas: Schemas) -> int:
    """Count the records that the live rows hold and the second schema's do not."""
    count: int = await connection.fetchval(_BEHIND.format(live=_quoted(schemas.live), spare=_quoted(schemas.spare)))
    return count


async def analyse(connection: Connection, schemas: Schemas) -> None:
    """Let Postgres learn how the new rows lie, so that the first questions are planned well."""
    await connection.execute(f"ANALYZE {', '.join(f'{_quoted(schemas.spare)}.{name}' for name in SWAPPED)}", timeout=3_600)


async def swap(connection: Connection, schemas: Schemas, limit_s: float, tell: Callable[[str], None] = lambda _: None) -> float:
    """Put the second schema's tables into the place of the live ones, and give for how many seconds readers had to wait.

    Tried again while writers are ahead or a reader holds a table, for `limit_s`; then raises `Refused`, and all is as before.
    """
    filled = await _feeds_print(connection, schemas)
    deadline = time.monotonic() + limit_s
    while True:
        waits = ""
        try:
            took_s, waits = await _try_swap(connection, schemas, filled)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            waits = "readers hold the tables"
        if not waits:
            return took_s
        if waits == "feeds were edited":
            filled = await refill_feeds(connection, schemas)
        tell(waits)
        if time.monotonic() > deadline:
            raise Refused("swap_not_possible", f"the rows were not swapped within {limit_s:g} s: {waits}. All is as before; try again")
        await asyncio.sleep(PAUSE_S)


async def _try_swap(connection: Connection, schemas: Schemas, filled: str) -> tuple[float, str]:
    live, spare, past = _quoted(schemas.live), _quoted(schemas.spare), _quoted(schemas.past)
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = {LOCK_WAIT_MS}")
        # Writers of rows, here and there, hold it shared.
        await connection.execute("SELECT pg_advisory_xact_lock($1)", ENTRIES_LOCK)
        if await behind(connection, schemas):
            return 0.0, "the second schema is behind"
        if await _feeds_print(connection, schemas) != filled:
            return 0.0, "feeds were edited"
        began = time.monotonic()
        await connection.execute(f"LOCK TABLE {', '.join(f'{live}.{name}' for name in SWAPPED)} IN ACCESS EXCLUSIVE MODE")
        ahead_since = await connection.fetchval(_AHEAD_SINCE.format(live=live, spare=spare))
        # Under the live search path, names in their text mean the live tables: those of before now, the new ones at the end.
        depending = await connection.fetch(_DEPENDING, schemas.live, list(SWAPPED), schemas.spare)
        await connection.execute(f"DROP SCHEMA IF EXISTS {past} CASCADE")
        await connection.execute(f"CREATE SCHEMA {past}")
        for name in SWAPPED:
            await connection.execute(f"ALTER TABLE {live}.{name} SET SCHEMA {past}")
            await connection.execute(f"ALTER TABLE {spare}.{name} SET SCHEMA {live}")
        for view in depending:
            options = f" WITH ({', '.join(view['reloptions'])})" if view["reloptions"] else ""
            where = f"{_quoted(view['nspname'])}.{_quoted(view['relname'])}"
            await connection.execute(f"CREATE OR REPLACE VIEW {where}{options} AS {view['definition']}")
        if ahead_since is not None:
            # The new rows hold records that the live ones did not: nobody was told of these changes yet.
            changed = [row["story_id"] for row in await connection.fetch(_CHANGED_SINCE, ahead_since)]
            await touch_stories(connection, changed)
            await connection.execute(_QUEUE_BRIEFS, changed)
        await connection.execute("SELECT pg_notify('slugline_stories', '')")
    return time.monotonic() - began, ""


async def refill_feeds(connection: Connection, schemas: Schemas) -> str:
    """Fill the second schema's entries of all defined feeds anew, and give what the definitions were."""
    async with connection.transaction():
        await connection.execute(f"SET LOCAL search_path = {_quoted(schemas.spare)}, public")
        found = await _feeds_print(connection, schemas)
        feeds = [row["feed"] for row in await connection.fetch("SELECT feed FROM feed_views ORDER BY feed")]
        await connection.execute("DELETE FROM feed_entries WHERE feed LIKE 'section/%' OR feed LIKE 'search/%'")
        for feed in feeds:
            await fill_view(connection, feed)
    return found


async def clear(connection: Connection, schemas: Schemas) -> None:
    """Drop what is left of the second schema and of the tables of before."""
    await connection.execute(f"DROP SCHEMA IF EXISTS {_quoted(schemas.spare)} CASCADE")
    await connection.execute(f"DROP SCHEMA IF EXISTS {_quoted(schemas.past)} CASCADE")


async def _refuse_bound(connection: Connection, schemas: Schemas) -> None:
    rows = await connection.fetch(_DEPENDING, schemas.live, list(SWAPPED), schemas.spare)
    bound = [f"{row['nspname']}.{row['relname']}" for row in rows if row["relkind"] == "m"]
    if bound:
        raise Refused("bound_to_tables", f"materialised views read our tables: {', '.join(bound)}. Let them read the views, or drop them")


async def _feeds_print(connection: Connection, schemas: Schemas) -> str:
    found: str = await connection.fetchval(_VIEWS_PRINT.format(live=_quoted(schemas.live)))
    return found


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

"""The database's roles: the one that owns the tables, and those that may do just what their part of the work takes.

Roles are made without passwords, so nobody gets in as one before an operator has given it his own. What a later version's tables
need is given when that version migrates: the writer's by default privileges, the others' from the table below.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import asyncpg

from services.publish.connect import Connection
from services.publish.maintain import VIEWS
from shared.errors import InvalidSetting, Unauthorised

ROLES: Final[Mapping[str, str]] = {
    "migrator": "owns the tables: slugline db migrate, slugline rebuild",
    "writer": "materialise, brief, webhooks and the commands: reads and writes rows",
    "web": "the page and the API: reads what is published, adds readers' reports",
    "reader": "dashboards: reads the views of docs/sql.md",
}
WEB_READS: Final = (
    *VIEWS,
    "alembic_version",
    "articles",
    "brief_queue",
    "consumed_offsets",
    "feed_entries",
    "feed_views",
    "search_words",
    "source_feeds",
    "stories",
    "story_briefs",
    "story_members",
    "story_updates",
    "worker_status",
)
"""No webhook with its secret, no reader's report."""
PREFIX_PATTERN: Final = r"^[a-z_][a-z0-9_]{0,50}$"
ITERATIONS: Final = 4_096
"""Of SCRAM-SHA-256, as Postgres itself takes."""
_WRITES: Final = "SELECT, INSERT, UPDATE, DELETE, TRUNCATE"
_OWNED: Final = """
SELECT c.relname, c.relkind = 'S' AS is_sequence FROM pg_class c
WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S') AND c.relowner = $2::regrole
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('e', 'i', 'a') AND d.classid = 'pg_class'::regclass)
ORDER BY c.relname
"""
"""Sequences of identity columns follow their tables."""
_FUNCTIONS: Final = """
SELECT p.oid::regprocedure::text FROM pg_proc p
WHERE p.pronamespace = $1::regnamespace AND p.proowner = $2::regrole
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
"""
_WRITER: Final = """
SELECT r.rolname FROM pg_default_acl d CROSS JOIN LATERAL aclexplode(d.defaclacl) a JOIN pg_roles r ON r.oid = a.grantee
WHERE d.defaclnamespace = to_regnamespace($1) AND d.defaclobjtype = 'r' AND r.rolname LIKE '%\\_writer' LIMIT 1
"""
_GRANTED: Final = """
SELECT c.relname AS name, string_agg(DISTINCT a.privilege_type, ', ' ORDER BY a.privilege_type) AS privileges
FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
WHERE c.relnamespace = to_regnamespace($1) AND a.grantee = to_regrole($2) AND c.relkind IN ('r', 'p', 'v', 'm')
GROUP BY c.relname ORDER BY c.relname
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """A role as it is. `privileges` are those on single tables; the migrator owns them and needs none."""

    role: str
    does: str
    exists: bool
    has_password: bool | None
    """None where this user may not see it."""
    privileges: Mapping[str, str]


def role_names(prefix: str) -> dict[str, str]:
    """Give the roles' names. Raises `InvalidSetting` for a prefix that can't be one's beginning."""
    if not re.fullmatch(PREFIX_PATTERN, prefix):
        raise InvalidSetting(f"{prefix!r} is no beginning of a role's name: lower-case letters, digits and _, 50 at most, no digit first")
    return {role: f"{prefix}_{role}" for role in ROLES}


async def apply(connection: Connection, schema: str, prefix: str) -> dict[str, str]:
    """Make the roles where they are missing, and give each its rights and no others; gives their names.

    Applied twice, it does nothing the second time. It takes a superuser, or the database's owner with CREATEROLE.
    """
    names, schema = role_names(prefix), f'"{schema}"'
    migrator, database = names["migrator"], await connection.fetchval("SELECT quote_ident(current_database())")
    try:
        async with connection.transaction():
            for name in names.values():
                if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", name):
                    await connection.execute(f"CREATE ROLE {name} LOGIN")
            if not await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
                await connection.execute(f"GRANT {migrator} TO current_user")  # whoever made a role may only administer it
            await connection.execute(f"GRANT CREATE, CONNECT ON DATABASE {database} TO {migrator}")
            await connection.execute(f"GRANT CONNECT ON DATABASE {database} TO {', '.join(names.values())}")
            await _hand_over(connection, schema, migrator)
            await connection.execute(f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC")
            await connection.execute(
                f"ALTER DEFAULT PRIVILEGES FOR ROLE {migrator} IN SCHEMA {schema} GRANT {_WRITES} ON TABLES TO {names['writer']}"
            )
            for setting in ("default_transaction_read_only = on", "statement_timeout = '60s'", f"search_path = {schema}, public"):
                await connection.execute(f"ALTER ROLE {names['reader']} SET {setting}")
            await _grant(connection, schema, names)
    except asyncpg.InsufficientPrivilegeError as error:
        raise Unauthorised(
            f"this database user may not make roles and hand tables over: {error}. Use a superuser, or the owner with CREATEROLE"
        ) from error
    return names


async def renew(connection: Connection, schema: str) -> None:
    """Give the roles their rights on what a migration has made; does nothing where `apply` was never used.

    Whose default privileges the schema has says how the roles are called.
    """
    schema = f'"{schema}"'
    writer = await connection.fetchval(_WRITER, schema)
    if writer is not None:
        async with connection.transaction():
            await _grant(connection, schema, role_names(writer.removesuffix("_writer")))


async def show(connection: Connection, schema: str, prefix: str) -> list[Standing]:
    """Say of each role whether it is there, has a password, and what it may do."""
    may_see = await connection.fetchval("SELECT has_table_privilege('pg_authid', 'SELECT')")
    standings = []
    for role, name in role_names(prefix).items():
        exists = bool(await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", name))
        has_password = (
            bool(await connection.fetchval("SELECT rolpassword IS NOT NULL FROM pg_authid WHERE rolname = $1", name)) if may_see else None
        )
        granted = await connection.fetch(_GRANTED, f'"{schema}"', name) if exists and role != "migrator" else []
        standings.append(Standing(name, ROLES[role], exists, has_password, {row["name"]: row["privileges"] for row in granted}))
    return standings


async def set_password(connection: Connection, role: str, password: str) -> None:
    """Give a role a password. What the server gets, and may log, is the verifier that it keeps (RFC 5803), not the password."""
    quoted = await connection.fetchval("SELECT quote_ident($1)", role)
    await connection.execute(f"ALTER ROLE {quoted} PASSWORD '{verifier(password)}'")


def verifier(password: str, salt: bytes | None = None) -> str:
    """Make the verifier by which a server knows a password again without having it: SCRAM-SHA-256 (RFC 5803)."""
    salt = salt or secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    keys = (base64.b64encode(part).decode() for part in (stored, hmac.digest(salted, b"Server Key", "sha256")))
    return f"SCRAM-SHA-256${ITERATIONS}:{base64.b64encode(salt).decode()}${':'.join(keys)}"


async def _hand_over(connection: Connection, schema: str, migrator: str) -> None:
    """Make the migrator the owner of the schema, and of what its present owner has in it; what is others' in it stays theirs."""
    if await connection.fetchval("SELECT to_regnamespace($1)", schema) is None:
        await connection.execute(f"CREATE SCHEMA {schema} AUTHORIZATION {migrator}")
        return
    owner = await connection.fetchval(
        "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = to_regclass($1)", f"{schema}.alembic_version"
    )
    await connection.execute(f"GRANT ALL ON SCHEMA {schema} TO {migrator}")
    if schema != '"public"':
        await connection.execute(f"ALTER SCHEMA {schema} OWNER TO {migrator}")
    if owner is None or owner == migrator:
        return
    quoted_owner = await connection.fetchval("SELECT quote_ident($1)", owner)
    for row in await connection.fetch(_OWNED, schema, quoted_owner):
        kind = "SEQUENCE" if row["is_sequence"] else "TABLE"  # TABLE does for views, too
        await connection.execute(f'ALTER {kind} {schema}."{row["relname"]}" OWNER TO {migrator}')
    for row in await connection.fetch(_FUNCTIONS, schema, quoted_owner):
        await connection.execute(f"ALTER ROUTINE {row[0]} OWNER TO {migrator}")


async def _grant(connection: Connection, schema: str, names: Mapping[str, str]) -> None:
    """Take all rights on tables from the roles, and give each its own."""
    writer, web, reader = names["writer"], names["web"], names["reader"]
    present = {row["relname"] for row in await connection.fetch(_OWNED, schema, names["migrator"]) if not row["is_sequence"]}
    await connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO {writer}, {web}, {reader}")
    if not present:
        return

    def listed(*wanted: str) -> str:
        return ", ".join(f'{schema}."{name}"' for name in sorted(present.intersection(wanted)))

    await connection.execute(f"REVOKE ALL ON {listed(*present)} FROM {writer}, {web}, {reader}, PUBLIC")
    await connection.execute(f"GRANT {_WRITES} ON {listed(*(present - {'alembic_version'}))} TO {writer}")
    await connection.execute(f"GRANT SELECT ON {listed('alembic_version')} TO {writer}")
    await connection.execute(f"GRANT SELECT ON {listed(*WEB_READS)} TO {web}")
    reports = listed("story_reports")
    await connection.execute(f"GRANT INSERT (story_id, article_id, story_revision, words), SELECT (report_id) ON {reports} TO {web}")
    await connection.execute(f"GRANT SELECT ON {listed(*VIEWS)} TO {reader}")

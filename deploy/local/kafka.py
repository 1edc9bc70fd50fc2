"""A real Kafka broker as a child process: one KRaft node, on the loopback address, its data in a folder."""

import asyncio
import base64
import contextlib
import os
import subprocess
import threading
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.local.failures import CannotStart, PortTaken
from deploy.local.jars import KAFKA, Progress, ensure_jars
from deploy.local.java import find_java
from deploy.local.places import cache_folder
from deploy.local.ports import LOOPBACK, is_free
from deploy.local.supervise import Child, Command, Watchdog
from shared.errors import Unauthorised, Unreachable
from shared.kafka.client import client_options
from shared.kafka.refusals import find_reason
from shared.settings import Settings

START_LIMIT_S: Final = 90.0
STOP_LIMIT_S: Final = 20.0
POLL_S: Final = 0.1
CONTROLLED_ENVIRONMENT: Final = ("KAFKA_OPTS", "KAFKA_HEAP_OPTS", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS")
"""Left out of the broker's environment: they would change what was measured."""
JVM: Final = (
    "-Xms64m",
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-XX:MaxMetaspaceSize=160m",
    "-XX:ReservedCodeCacheSize=64m",
    "-Xshare:auto",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
    "-Djava.net.preferIPv4Stack=true",
)
"""Measured idle: 314 MB resident with the serial collector, 360 MB with G1."""
INTERNAL_PARTITIONS: Final = 4
PROPERTIES: Final = f"""
process.roles=broker,controller
node.id=1
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
auto.create.topics.enable=false
num.partitions=1
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions={INTERNAL_PARTITIONS}
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions={INTERNAL_PARTITIONS}
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
log.cleaner.dedupe.buffer.size=16777216
num.network.threads=2
num.io.threads=4
# The controller writes an empty record so often while it has nothing to write; two a second by default.
metadata.max.idle.interval.ms=5000
background.threads=2
log.segment.bytes=134217728
"""
LOG4J: Final = """
status=error
appenders=file
appender.file.type=RollingFile
appender.file.name=file
appender.file.fileName={log}
appender.file.filePattern={log}.%i
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d{{ISO8601}} %-5p %c{{1}} %m%n%ex{{30}}
appender.file.policies.type=Policies
appender.file.policies.size.type=SizeBasedTriggeringPolicy
appender.file.policies.size.size=10MB
appender.file.strategy.type=DefaultRolloverStrategy
appender.file.strategy.max=3
rootLogger.level=info
rootLogger.appenderRef.file.ref=file
"""


def find_class_path(progress: Progress = lambda _done, _of: None) -> list[str]:
    """Give the broker's class path: the jars of `KAFKA_HOME` if set, else the locked ones, fetched when missing.

    Raises `CannotStart` when `KAFKA_HOME` holds no broker or the jars can't be fetched.
    """
    if home := os.environ.get("KAFKA_HOME"):
        libraries = Path(home) / "libs"
        if not list(libraries.glob("kafka_2.13-*.jar")):
            raise CannotStart(
                f"KAFKA_HOME={home} holds no Kafka: there is no libs/kafka_2.13-*.jar. Give an unpacked Kafka 4, or unset it."
            )
        return [f"{libraries}/*"]
    return [str(path) for path in ensure_jars(cache_folder() / KAFKA.rsplit(":", maxsplit=1)[1], progress)]


@dataclass(slots=True)
class Broker:
    """One broker with its data below `folder`. `prepare` before the first start; `start`, `kill` and `stop` as often as wanted."""

    folder: Path
    port: int
    controller_port: int
    watchdog: Watchdog | None = None
    class_path: list[str] = field(default_factory=list)
    java: Path = Path("java")
    child: Child | None = None
    session_timeout_ms: int = 2_000
    """After a kill -9 the controller lets the old registration lapse so long before the broker may come back: 9 s so, 14 s by default.

    But a broker that is held up for as long is cut off, and may lose the end of a transaction that was about to be told.
    """

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def log(self) -> Path:
        """The broker's own log."""
        return self.folder / "logs" / "server.log"

    def prepare(self, progress: Progress = lambda _done, _of: None) -> None:
        """Find Java and the jars, write the settings and format the data folder if it is new. Raises `CannotStart`."""
        self.java = find_java()
        self.class_path = find_class_path(progress)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        (self.folder / "server.properties").write_text(self._properties())
        (self.folder / "log4j2.properties").write_text(LOG4J.format(log=self.log))
        if not self._meta.exists():
            self._format()

    def cluster_id(self) -> str:
        """Give the id that the data folder was formatted with."""
        lines = (self._meta.read_text()).splitlines()
        return next(line.partition("=")[2] for line in lines if line.startswith("cluster.id="))

    def command(self) -> Command:
        """Give how to start the broker."""
        return Command("kafka", self._java("kafka.Kafka", *JVM), self.folder / "logs" / "console.log", environment=_environment())

    def spawn(self) -> Child:
        """Start the broker without waiting for it."""
        self.child = Child(self.command(), self.watchdog)
        return self.child

    def start(self, limit_s: float = START_LIMIT_S) -> None:
        """Start the broker and wait until it answers and its coordinators do. Raises `CannotStart`.

        It may be called while an event loop runs in this thread, which it then blocks; `start_async` does not.
        """
        self.spawn()
        _in_own_thread(lambda: self.wait_until_ready(limit_s))

    async def start_async(self, limit_s: float = START_LIMIT_S) -> None:
        """Start the broker and wait until it answers and its coordinators do. Raises `CannotStart`."""
        self.spawn()
        await self.wait_until_ready(limit_s)

    async def wait_until_ready(self, limit_s: float = START_LIMIT_S) -> None:
        """Wait until the broker answers and its group and transaction coordinators do. Raises `CannotStart`."""
        try:
            # By its cluster's id, since another broker may have taken the port while ours started.
            await wait_for_broker(self._as_administrator, limit_s, self._raise_if_ended, cluster_id=self.cluster_id())
        except Unreachable as error:
            raise CannotStart(f"Kafka does not answer: {error}. Its log is {self.log}.") from error

    def kill(self) -> None:
        """Kill -9 the broker."""
        if self.child:
            self.child.kill()

    def stop(self) -> None:
        """Stop the broker; kill it if it hangs."""
        if self.child:
            self.child.stop(STOP_LIMIT_S)

    @property
    def _as_administrator(self) -> Settings | str:
        """How to reach it as one who may do everything."""
        return self.bootstrap_servers

    @property
    def _meta(self) -> Path:
        return self.folder / "data" / "meta.properties"

    def _raise_if_ended(self) -> None:
        if self.child and self.child.returncode() is not None:
            if not is_free(self.port) or not is_free(self.controller_port):
                raise PortTaken(f"Kafka can't listen on port {self.port} or {self.controller_port}: another process took it")
            raise CannotStart(f"Kafka ended while it started; the last of {self.child.command.log}:\n{self.child.last_words()}")

    def _java(self, main_class: str, *options: str) -> list[str]:
        arguments = ["-cp", os.pathsep.join(self.class_path), main_class, str(self.folder / "server.properties")]
        return [str(self.java), *options, f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}", *arguments]

    def _properties(self) -> str:
        return (
            f"{PROPERTIES.strip()}\n"
            f"broker.session.timeout.ms={self.session_timeout_ms}\n"
            f"listeners=BROKER://{self.bootstrap_servers},CONTROLLER://{LOOPBACK}:{self.controller_port}\n"
            f"advertised.listeners=BROKER://{self.bootstrap_servers}\n"
            f"controller.quorum.voters=1@{LOOPBACK}:{self.controller_port}\n"
            f"log.dirs={_escaped(self.folder / 'data')}\n"
        )

    def _users(self) -> list[str]:
        """Give the options of the formatting that make users; none here, for the listener is open to this machine alone."""
        return []

    def _format(self) -> None:
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        storage = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}", "--config", str(self.folder / "server.properties")]
        storage += self._users()
        options = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", os.pathsep.join(self.class_path)]
        result = subprocess.run(
            [str(self.java), *options, *storage], capture_output=True, text=True, check=False, env=_environment(), timeout=START_LIMIT_S
        )
        if result.returncode:
            raise CannotStart(
                f"Kafka's data folder {self.folder / 'data'} can't be formatted: {(result.stderr or result.stdout).strip()[-800:]}"
            )


async def wait_for_broker(
    broker: Settings | str, limit_s: float, check: Callable[[], None] = lambda: None, *, cluster_id: str | None = None
) -> None:
    """Wait until a broker, of that cluster if one is given, answers and its group and transaction coordinators do.

    Asking for a coordinator makes the broker create its internal topics now and not at the first client's start.
    `check` is called at each try and may raise to end the wait. Raises `Unreachable` after the limit.
    """
    deadline = time.monotonic() + limit_s
    while True:
        check()
        remaining_s = deadline - time.monotonic()
        try:
            await asyncio.wait_for(_ask_coordinators(broker, cluster_id), max(0.1, min(10.0, remaining_s)))
        except (KafkaError, OSError, TimeoutError, ValueError, AssertionError) as error:
            if remaining_s <= 0:
                address = client_options(broker)["bootstrap_servers"]
                raise Unreachable(f"no Kafka broker answers at {address} within {limit_s:g} s ({error!r})") from error
            await asyncio.sleep(POLL_S)
        else:
            return


async def _ask_coordinators(broker: Settings | str, cluster_id: str | None) -> None:
    admin = AIOKafkaAdminClient(**client_options(broker), client_id="slugline-local")
    try:
        try:
            await admin.start()
        except (KafkaError, OSError) as error:
            if isinstance(reason := await find_reason(admin), Unauthorised):
                raise reason from error
            raise
        if cluster_id is not None and (found := (await admin.describe_cluster())["cluster_id"]) != cluster_id:
            raise ValueError(f"a broker of another cluster ({found}) listens there")
        for kind in (0, 1):
            await admin.find_coordinator("slugline-local", kind)
    finally:
        with contextlib.suppress(KafkaError, OSError):
            await admin.close()


def _in_own_thread(wait: Callable[[], Awaitable[None]]) -> None:
    """Run a coroutine to its end although this thread may already run a loop."""
    failure: list[BaseException] = []

    async def awaited() -> None:
        await wait()

    def run() -> None:
        try:
            asyncio.run(awaited())
        except BaseException as error:  # noqa: BLE001  carried over to the caller's thread
            failure.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in CONTROLLED_ENVIRONMENT}


def _escaped(path: Path) -> str:
    """Write a path as a value of a Java properties file."""
    return str(path).replace("\\", "\\\\")

"""Jars, the broker's above all: fetched once from their Maven coordinates, each checked against the hash in a lock.

`python -m deploy.local.jars` resolves the coordinates again and prints a new lock.
"""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from deploy.local.failures import CannotStart

LOCK: Final = Path(__file__).with_name("kafka.lock")
KAFKA: Final = "org.apache.kafka:kafka_2.13:4.3.1"
LOGGING: Final = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"
BROKER_REMEDY: Final = "Check the network, or set KAFKA_HOME to an unpacked Kafka 4, or KAFKA_BOOTSTRAP_SERVERS to a running one."
PARALLEL_DOWNLOADS: Final = 8
SCRATCH: Final = ".fetching-"
"""Begins the name of a folder for one fetch; one that is left belongs to a process that was killed."""
ATTEMPTS: Final = 3
"""Of each download, since one lost connection among 46 should not end the first start."""

Progress = Callable[[int, int], None]
"""Told (bytes fetched so far, bytes of all)."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One artifact with the hash that its content must have."""

    group: str
    artifact: str
    version: str
    sha256: str
    size_bytes: int

    @property
    def name(self) -> str:
        """The file's name, unique among the broker's jars."""
        return f"{self.artifact}-{self.version}.jar"

    @classmethod
    def read(cls, line: str) -> "Jar":
        """Read a line of the lock."""
        coordinates, sha256, size = line.split()
        group, artifact, version = coordinates.split(":")
        return cls(group, artifact, version, sha256, int(size))


def locked_jars(lock: Path = LOCK) -> list[Jar]:
    """Give the jars of a lock, the broker's by default."""
    return [Jar.read(line) for line in lock.read_text().splitlines() if line and not line.startswith("#")]


def ensure_jars(
    folder: Path, progress: Progress = lambda _done, _of: None, *, lock: Path = LOCK, remedy: str = BROKER_REMEDY
) -> list[Path]:
    """Give the paths of a lock's jars in `folder`, fetching those that are missing.

    A jar of the right size was checked when it was fetched, so a later start needs no network and no hashing.
    Processes that need the same jars wait for each other. Raises `CannotStart`, with the remedy, when a jar can't be had.
    """
    jars = locked_jars(lock)
    folder.mkdir(parents=True, exist_ok=True)
    if _missing(folder, jars):
        with _alone(folder / ".lock"):
            for left in folder.glob(f"{SCRATCH}*"):
                shutil.rmtree(left, ignore_errors=True)
            missing = _missing(folder, jars)
            if missing:
                _fetch(folder, missing, progress, remedy)
    return [folder / jar.name for jar in jars]


def _missing(folder: Path, jars: list[Jar]) -> list[Jar]:
    return [jar for jar in jars if not (folder / jar.name).is_file() or (folder / jar.name).stat().st_size != jar.size_bytes]


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch(folder: Path, jars: list[Jar], progress: Progress, remedy: str) -> None:
    total = sum(jar.size_bytes for jar in jars)
    done = 0
    progress(0, total)
    with tempfile.TemporaryDirectory(dir=folder, prefix=SCRATCH) as scratch:
        try:
            for jar, fetched in _download(Path(scratch), jars):
                _adopt(fetched, jar, folder)
                done += jar.size_bytes
                progress(done, total)
        except Exception as error:
            raise CannotStart(f"{jars[0].artifact} and what goes with it can't be fetched: {error}. {remedy}") from error


def _download(scratch: Path, jars: list[Jar]) -> Iterator[tuple[Jar, Path]]:
    if importlib.util.find_spec("jgo") is None:
        yield from _download_with_mvn(scratch, jars)
        return
    from jgo.maven import MavenContext  # noqa: PLC0415  slow to import and needed once in an installation's life

    context = MavenContext(repo_cache=scratch, timeout=60)

    def one(jar: Jar) -> tuple[Jar, Path]:
        artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return jar, Path(artifact.resolve())
            except Exception:
                if attempt == ATTEMPTS:
                    raise
                if artifact.cached_path:
                    artifact.cached_path.unlink(missing_ok=True)
        raise AssertionError

    with ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
        yield from pool.map(one, jars)


def _download_with_mvn(scratch: Path, jars: list[Jar]) -> Iterator[tuple[Jar, Path]]:
    mvn = shutil.which("mvn")
    if mvn is None:
        raise CannotStart("neither the package `jgo` (`pip install slugline[local]`) nor `mvn` is installed")
    (scratch / "pom.xml").write_text(_pom(jars))
    command = [mvn, "-B", "-q", "-f", str(scratch / "pom.xml"), f"-Dmaven.repo.local={scratch / 'repository'}"]
    result = subprocess.run(
        [*command, "dependency:copy-dependencies", "-DexcludeTransitive=true", f"-DoutputDirectory={scratch / 'jars'}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise CannotStart(f"mvn failed: {(result.stdout + result.stderr).strip()[-500:]}")
    for jar in jars:
        yield jar, scratch / "jars" / jar.name


def _pom(jars: list[Jar]) -> str:
    dependencies = "".join(
        f"<dependency><groupId>{escape(jar.group)}</groupId><artifactId>{escape(jar.artifact)}</artifactId>"
        f"<version>{escape(jar.version)}</version></dependency>"
        for jar in jars
    )
    return (
        "<project><modelVersion>4.0.0</modelVersion><groupId>slugline</groupId><artifactId>broker</artifactId>"
        f"<version>1</version><dependencies>{dependencies}</dependencies></project>"
    )


def _adopt(fetched: Path, jar: Jar, folder: Path) -> None:
    content = fetched.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != jar.sha256:
        raise CannotStart(f"{jar.name} has sha256 {found}, but the lock says {jar.sha256}: it was changed on its way")
    fetched.replace(folder / jar.name)


def resolve_lock() -> str:
    """Resolve Kafka and its log binding and give the text of a new lock.

    The two are resolved apart, since a shared resolution lets log4j's own dependency list choose an older kafka-clients.
    """
    from jgo.maven import MavenContext  # noqa: PLC0415
    from jgo.parse import Coordinate  # noqa: PLC0415

    lines: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as scratch:
        context: Any = MavenContext(repo_cache=Path(scratch), timeout=60)
        for coordinates in (KAFKA, LOGGING):
            group, artifact, version = coordinates.split(":")
            wanted = Coordinate(groupId=group, artifactId=artifact, version=version, scope="compile")
            inputs, others = context.resolver.resolve([context.create_dependency(wanted)])
            for found in [*inputs, *(other for other in others if other.scope in {"compile", "runtime"})]:
                path = Path(found.artifact.resolve())
                name = f"{found.groupId}:{found.artifactId}:{found.version}"
                lines[name] = f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()} {path.stat().st_size}"
    comment = [line for line in LOCK.read_text().splitlines() if line.startswith("#")]
    return os.linesep.join([*comment, *(lines[name] for name in sorted(lines)), ""])


if __name__ == "__main__":
    sys.stdout.write(resolve_lock())

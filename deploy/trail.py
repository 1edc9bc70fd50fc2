"""Who gave which command: a line for each that may change something, for whoever has to know later.

It goes to SLUGLINE_TRAIL (a file that is only added to, or `stderr`); else, while a local instance runs, to `admin.log` among its
logs; else to the system's log where there is one. Editors' commands and dead letters' resolutions carry their actor in the topics, too.
"""

import getpass
import json
import logging
import os
import re
import socket
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from logging.handlers import SysLogHandler
from pathlib import Path
from typing import Final

from deploy.local.lock import holder
from deploy.local.places import DataFolder, default_data_folder
from shared.errors import SluglineError
from shared.settings import masked

VARIABLE: Final = "SLUGLINE_TRAIL"
SYSTEM_LOG: Final = Path("/dev/log")
ASKING: Final = frozenset(
    (
        "check",
        "diff",
        "doctor",
        "evaluate",
        "explain",
        "export",
        "extract",
        "held",
        "list",
        "local",
        "positions",
        "reports",
        "run",
        "show",
        "status",
        "version",
    )
)
"""Commands that only ask, and those that run services, which log by themselves. Whatever is not among them is noted."""
_SECRET: Final = re.compile(r"(secret|password|token)", re.IGNORECASE)
_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)


class TrailNotWritten(SluglineError):
    """The trail can't be written, so the command was not begun."""


def note(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> None:
    """Note a command before it begins, if it may change something. Raises `TrailNotWritten`."""
    words = [argument for argument in arguments if not argument.startswith("-")]
    if not words or ASKING.intersection(words[:3]) or {"--help", "-h"}.intersection(arguments):
        return
    line = json.dumps(
        {
            "event": "admin_command",
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "who": _who(environment),
            "host": socket.gethostname(),
            "command": " ".join(("slugline", *_without_secrets(arguments))),
            "kafka": environment.get("SLUGLINE_KAFKA_BOOTSTRAP_SERVERS", ""),
            "kafka_user": environment.get("SLUGLINE_KAFKA_USERNAME", ""),
        },
        ensure_ascii=False,
    )
    _write(line, environment.get(VARIABLE, ""), default_data_folder())


def _who(environment: Mapping[str, str]) -> str:
    """Name the person: behind sudo the one who called it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        user = f"uid {os.getuid()}"
    return f"{environment['SUDO_USER']} as {user}" if environment.get("SUDO_USER") else user


def _without_secrets(arguments: Sequence[str]) -> list[str]:
    """Leave out what may be a secret: the value of an option that is called so, and a password in a URL."""
    shown: list[str] = []
    hide = False
    for argument in arguments:
        option, equals, _ = argument.partition("=")
        if hide and not argument.startswith("-"):
            shown.append("***")
        elif equals and option.startswith("-") and _SECRET.search(option):
            shown.append(f"{option}=***")
        else:
            shown.append(_URL.sub(lambda url: masked(url[0]), argument))
        hide = argument.startswith("-") and not equals and bool(_SECRET.search(argument))
    return shown


def _write(line: str, where: str, folder: DataFolder) -> None:
    if where == "stderr":
        sys.stderr.write(f"{line}\n")
    elif where:
        _append(Path(where), line)
    elif holder(folder) is not None:
        _append(folder.logs / "admin.log", line)
    elif SYSTEM_LOG.exists():
        logger = logging.getLogger("slugline-admin")
        logger.propagate = False
        logger.setLevel(logging.INFO)
        handler = SysLogHandler(str(SYSTEM_LOG), SysLogHandler.LOG_AUTH)
        handler.ident = "slugline: "
        logger.addHandler(handler)
        logger.info(line)
        logger.removeHandler(handler)
        handler.close()


def _append(path: Path, line: str) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="utf-8") as trail:
            trail.write(f"{line}\n")
    except OSError as error:
        raise TrailNotWritten(f"who gave this command can't be noted in {path}: {error}. Make it writable, or set {VARIABLE}") from error

"""What a running local Slugline tells other commands of this machine: where its broker, database, page and services are."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from deploy.local.lock import holder
from deploy.local.places import DataFolder, default_data_folder

BROKER: Final = "SLUGLINE_KAFKA_BOOTSTRAP_SERVERS"
DATABASE: Final = "SLUGLINE_DATABASE_URL"
ADDRESSES: Final = frozenset((BROKER, DATABASE))


@dataclass(frozen=True, slots=True)
class State:
    """Addresses of one instance. `ports` are those of /live, /ready and /metrics by service."""

    bootstrap_servers: str
    database_url: str
    url: str
    ports: Mapping[str, int] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """Give the settings that point a service or command at this instance; what is not known yet is left out."""
        known = {BROKER: self.bootstrap_servers, DATABASE: self.database_url}
        return {name: value for name, value in known.items() if value}

    def save(self, path: Path) -> None:
        """Write it for the owner's eyes alone, since the database's password is in it."""
        partial = path.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(self), file, indent=1)
        partial.replace(path)


def load_state(folder: DataFolder) -> State | None:
    """Give the addresses of the running or the last instance, None if there is none to be read."""
    try:
        return State(**json.loads(folder.state.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def still_starting(environment: Mapping[str, str] = os.environ) -> str:
    """Say that this folder's instance has no addresses yet, where commands are to talk to it; nothing otherwise."""
    folder = default_data_folder()
    if not ADDRESSES.isdisjoint(environment) or (current := holder(folder)) is None or load_state(folder) is not None:
        return ""
    return f"The local Slugline (process {current.pid}) is still starting: try again once `slugline local status` tells its addresses"


def point_at_running_instance(environment: dict[str, str] | os._Environ[str] = os.environ) -> None:
    """Let commands of this process talk to the local instance of this folder, if one runs and nothing else is said."""
    folder = default_data_folder()
    if holder(folder) is None or (state := load_state(folder)) is None:
        return
    for name, value in state.environment().items():
        environment.setdefault(name, value)

"""Where a local Slugline keeps its data and what it has downloaded."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The data of one local Slugline: everything it keeps lies below `root`."""

    root: Path

    @property
    def kafka(self) -> Path:
        """The broker's log segments, properties and logs."""
        return self.root / "kafka"

    @property
    def postgres(self) -> Path:
        """The database cluster and its password."""
        return self.root / "postgres"

    @property
    def logs(self) -> Path:
        """One log file a child process."""
        return self.root / "logs"

    @property
    def scratch(self) -> Path:
        """Where the services run: what a library drops into its working directory lands here."""
        return self.root / "scratch"

    @property
    def lock(self) -> Path:
        """Held by the running instance; its text says which process that is."""
        return self.root / "lock"

    @property
    def state(self) -> Path:
        """Ports and addresses of the running or last instance, as JSON."""
        return self.root / "state.json"

    @property
    def recorded_web(self) -> Path:
        """When the recorded web's clock began, so that a second run goes on with it."""
        return self.root / "recorded-web.json"


def default_data_folder() -> DataFolder:
    """Give `SLUGLINE_DATA`, else `.slugline` in the working directory."""
    return DataFolder(Path(os.environ.get("SLUGLINE_DATA") or ".slugline").absolute())


def cache_folder() -> Path:
    """Give the folder for downloads that every clone of a user shares: `XDG_CACHE_HOME`, else `~/.cache`, each with `/slugline`."""
    base = os.environ.get("XDG_CACHE_HOME") or ""
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "slugline"

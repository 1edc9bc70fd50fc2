"""What the person at the terminal sees: parts being fetched and started, and the children's important lines."""

import json
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

IMPORTANT: Final = frozenset({"warning", "error", "critical"})
STYLES: Final = {"warning": "yellow", "error": "red", "critical": "bold red"}
LIBRARIES: Final = ("aiokafka", "faust", "mode", "kafka")
"""Their warnings are of retries that succeed; what fails in the end our services tell themselves."""
BURST_LINES: Final = 5
BURST_S: Final = 10.0
"""More lines than these of one child within this time are counted, not shown: they stand in its log."""
LOG_LIMIT_BYTES: Final = 50_000_000
READ_LIMIT_BYTES: Final = 1_000_000


class Screen:
    """Shows progress on a terminal as live rows, elsewhere as lines."""

    def __init__(self, console: Console) -> None:
        """Write to `console`."""
        self._console = console
        self._progress: Progress | None = None
        self._rows: dict[str, TaskID] = {}
        self._told: dict[str, str] = {}

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Show progress until the context ends."""
        if not self._console.is_terminal:
            yield
            return
        columns = (SpinnerColumn(finished_text="[green]✓"), TextColumn("{task.fields[part]:<9}"), BarColumn(20), TimeElapsedColumn())
        with Progress(*columns, TextColumn("{task.description}"), console=self._console, transient=True) as self._progress:
            yield
        self._progress = None

    def part(self, name: str, doing: str, done: float | None = None, of: float | None = None) -> None:
        """Say what a part is doing, and how far it is where that is known."""
        if self._progress is None:
            if self._told.get(name) != doing:
                self._told[name] = doing
                self._console.print(f"{name}: {doing}", style="dim", highlight=False, markup=False)
            return
        if name not in self._rows:
            self._rows[name] = self._progress.add_task(doing, total=None, part=name)
        self._progress.update(self._rows[name], description=doing, completed=done or 0, total=of)

    def well(self, name: str, what: str) -> None:
        """Say that a part is up."""
        self.part(name, what, 1, 1)

    def say(self, name: str, what: str, style: str = "yellow") -> None:
        """Write a line that stays."""
        self._console.print(Text.assemble((f"{name:<12} ", "bold"), (what, style)), highlight=False, soft_wrap=True)


class LogReader:
    """Reads what children add to their logs, shows what matters and keeps the files from growing without end."""

    def __init__(self, screen: Screen) -> None:
        """Begin with no file."""
        self._screen = screen
        self._offsets: dict[Path, int] = {}
        self._recent: dict[str, deque[float]] = {}
        self._unshown: dict[str, int] = {}

    def watch(self, path: Path) -> None:
        """Read from what is added to this file from now on."""
        self._offsets[path] = path.stat().st_size if path.exists() else 0

    def read(self) -> None:
        """Show what has been added since the last call."""
        for path, offset in self._offsets.items():
            try:
                size = path.stat().st_size
                if size == offset:
                    continue
                with path.open("r+b") as file:
                    file.seek(offset if offset <= size else 0)
                    added = file.read(READ_LIMIT_BYTES)
                    whole, _, _ = added.rpartition(b"\n")
                    self._offsets[path] = file.tell() - len(added) + len(whole) + bool(whole)
                    if size > LOG_LIMIT_BYTES:
                        # The child appends, so it goes on at the new end.
                        path.with_suffix(".log.1").write_bytes(path.read_bytes()[-LOG_LIMIT_BYTES:])
                        file.truncate(0)
                        self._offsets[path] = 0
            except OSError:
                continue
            for line in whole.splitlines():
                self._show(path.stem, line)

    def _show(self, name: str, line: bytes) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            return
        if not isinstance(event, dict) or event.get("level") not in IMPORTANT:
            return
        if event["level"] == "warning" and str(event.get("logger", "")).startswith(LIBRARIES):
            return
        recent = self._recent.setdefault(name, deque())
        now = time.monotonic()
        while recent and now - recent[0] > BURST_S:
            recent.popleft()
        if len(recent) >= BURST_LINES:
            self._unshown[name] = self._unshown.get(name, 0) + 1
            return
        recent.append(now)
        more = f"  (+{unshown} not shown)" if (unshown := self._unshown.pop(name, 0)) else ""
        self._screen.say(name, told(event) + more, STYLES[event["level"]])


def told(event: Mapping[str, Any]) -> str:
    """Write a log event as a short line."""
    fields = " ".join(
        f"{name}={str(value)[:200]}"
        for name, value in event.items()
        if name not in {"event", "level", "timestamp", "service", "logger", "exception"}
    )
    return f"{event.get('event', '')} {fields}".strip()

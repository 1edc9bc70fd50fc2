"""The play's clock: an epoch kept in a state file, so that a second start goes on where the first one is."""

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from shared.errors import InvalidSetting


@dataclass(frozen=True, slots=True)
class Play:
    """When the play began and how many of its seconds pass in one of the clock's."""

    epoch: datetime
    speed: float = 1.0

    def position(self, now: datetime) -> timedelta:
        """Give how far the play is. Before the epoch (a clock was set back) it stands at its start."""
        return max(now - self.epoch, timedelta(0)) * self.speed

    def at(self, offset: timedelta) -> datetime:
        """Give the time of an offset from the play's start: what lies before it is as long ago at any speed."""
        moment = self.epoch + (offset / self.speed if offset > timedelta(0) else offset)
        return moment.replace(microsecond=0)

    def until(self, offset: timedelta, now: datetime) -> timedelta:
        """Give how long the clock takes to reach an offset; zero if it is past."""
        return max((offset - self.position(now)) / self.speed, timedelta(0))


class PlayState(BaseModel):
    """What a second start needs so that every URL, time and date is the same."""

    model_config = ConfigDict(frozen=True)

    epoch: AwareDatetime
    speed: float = Field(gt=0, allow_inf_nan=False)
    port: int = Field(ge=1, le=65_535)

    @classmethod
    def load(cls, file: Path) -> Self | None:
        """Read the state of an earlier start; None if there was none. Raises `InvalidSetting` that names the file."""
        try:
            return cls.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            msg = f"{file}: the recorded web's state can't be read: {error}"
            raise InvalidSetting(msg) from error
        except ValidationError as error:
            faults = ", ".join(f"{'.'.join(map(str, fault['loc'])) or 'file'}: {fault['msg']}" for fault in error.errors())
            msg = f"{file}: not a state of the recorded web ({faults}); remove it to begin the play anew"
            raise InvalidSetting(msg) from error

    def save(self, file: Path) -> None:
        """Write the state in one step, so that a crash leaves the old one or the new one. Raises `InvalidSetting`."""
        partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(self.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")
            partial.replace(file)
        except OSError as error:
            msg = f"{file}: the recorded web's state can't be written: {error}"
            raise InvalidSetting(msg) from error

    @property
    def play(self) -> Play:
        """Give the clock."""
        return Play(self.epoch.astimezone(UTC), self.speed)


def begin_or_go_on(earlier: PlayState | None, *, now: datetime, port: int, speed: float | None) -> PlayState:
    """Decide what a start plays: the earlier play at its own speed, or a new one from now.

    Raises `InvalidSetting` if another speed than the earlier one is asked for: dates that were given out would change.
    """
    if earlier is None:
        return PlayState(epoch=now.replace(microsecond=0), speed=1.0 if speed is None else speed, port=port)
    if speed is not None and speed != earlier.speed:
        msg = f"speed: this play began at {earlier.speed:g}, not {speed:g}; leave --speed out, or remove the state file to begin anew"
        raise InvalidSetting(msg)
    return earlier.model_copy(update={"port": port})

"""What an examination finds, and the words and limits that its parts share."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

CLOCK_WARNING_S: Final = 1.0
CLOCK_PROBLEM_S: Final = 10.0
"""Latencies, freshness and the clock records of quiet stories are as wrong as the clocks are apart; NTP keeps them within 0.1 s."""
DISK_WARNING_SHARE: Final = 0.15
DISK_PROBLEM_BYTES: Final = 1_000_000_000
"""A broker that can't write ends, and so does a database: some minutes of warning are wanted."""


class Level(StrEnum):
    """How bad a finding is."""

    WELL = "well"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `remedy` says what to do; it is empty where all is well."""

    area: str
    level: Level
    what: str
    remedy: str = ""


def well(area: str, what: str) -> Finding:
    """Say that something is as it should be."""
    return Finding(area, Level.WELL, what)


def warning(area: str, what: str, remedy: str) -> Finding:
    """Say that something works and should be otherwise."""
    return Finding(area, Level.WARNING, what, remedy)


def problem(area: str, what: str, remedy: str) -> Finding:
    """Say that something does not work, or will not for long."""
    return Finding(area, Level.PROBLEM, what, remedy)


def told(area: str, error: Exception) -> Finding:
    """Make a finding of an error of ours, whose message ends with what to do."""
    what, stop, remedy = str(error).partition(". ")
    return problem(area, what + (stop and "."), remedy)


def clocks(area: str, whose: str, apart_s: float, uncertain_s: float) -> Finding:
    """Judge how far a clock is ahead of this machine's (negative: behind), known but for `uncertain_s`."""
    surely_s = max(0.0, abs(apart_s) - uncertain_s)
    if surely_s < CLOCK_WARNING_S:
        return well(area, f"{whose} clock and this machine's agree within {max(CLOCK_WARNING_S, uncertain_s):.1f} s")
    what = f"{whose} clock is {abs(apart_s):.1f} s {'ahead of' if apart_s > 0 else 'behind'} this machine's"
    remedy = "synchronise both by NTP (timedatectl set-ntp true); articles' and stories' times are as wrong as the clocks are"
    return (problem if surely_s >= CLOCK_PROBLEM_S else warning)(area, what, remedy)


def disk(area: str, where: str, free: int, total: int) -> Finding:
    """Judge how much room a file system has."""
    what = f"{where}: {free / 1e9:.1f} GB of {total / 1e9:.1f} GB are free"
    remedy = "make room: shorten retention (docs/operations.md), or give it a larger disk"
    if free < DISK_PROBLEM_BYTES:
        return problem(area, what, remedy)
    return warning(area, what, remedy) if free < total * DISK_WARNING_SHARE else well(area, what)

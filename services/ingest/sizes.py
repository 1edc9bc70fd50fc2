"""Sizes in bytes. A module of its own, since the parsers' processes load as little as they can."""

from typing import Final

MIB: Final = 1_048_576

"""What can go wrong while a local Slugline starts."""

from shared.errors import SluglineError


class CannotStart(SluglineError):
    """A part of the local Slugline can't start. The message says why and what to do."""


class AlreadyRunning(SluglineError):
    """Another local Slugline holds the data folder."""

"""What can go wrong while a local Slugline starts."""

from shared.errors import SluglineError


class CannotStart(SluglineError):
    """A part of the local Slugline can't start. The message says why and what to do."""


class PortTaken(CannotStart):
    """Another process took a port between our look and our server's start: another port may do."""


class AlreadyRunning(SluglineError):
    """Another local Slugline holds the data folder."""

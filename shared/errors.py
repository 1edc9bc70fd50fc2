"""The one tree of errors. An error is caught where something can be done about it."""


class SluglineError(Exception):
    """Anything Slugline raises on purpose. Its message names the thing, the value and what to do next."""


class InvalidMessage(SluglineError):
    """A record's bytes are not what the topic's contract says."""


class Refused(SluglineError):
    """An input can't be accepted, for a reason that the one who sent it can act on."""

    def __init__(self, reason: str, detail: str) -> None:
        """Keep a stable `reason` (a metric label, a dead letter's reason) and a human `detail`."""
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class OwnerError(SluglineError):
    """A partition owner can't start or go on. The process ends and its supervisor starts it again."""


class SourceExpired(OwnerError):
    """The next input to handle is no longer in the source topic: records were deleted before they were handled."""


class ChangelogLost(OwnerError):
    """The group has handled records of this partition, but the changelog that holds its state is empty."""


class Fenced(OwnerError):
    """Another process owns this partition now; nothing that this one writes can take effect."""


class Unreachable(SluglineError):
    """A broker or a database does not answer."""


class Unauthorised(SluglineError):
    """A broker or a database answers, but refuses who we are, or what we ask for. Waiting does not mend it."""


class InvalidSetting(SluglineError):
    """A setting is missing or wrong. The message names each with the values it allows."""


def meant(error: BaseException) -> BaseException:
    """Give what a group of tasks raised on purpose, which says it all by itself; any other error as it is."""
    if isinstance(error, BaseExceptionGroup):
        return next((found for one in error.exceptions if isinstance(found := meant(one), SluglineError)), error)
    return error

"""What lies behind an error."""

from shared.errors import Unreachable, meant
from shared.refusals import causes, explain


def test_an_error_that_is_its_own_cause_is_seen_once() -> None:
    """`raise mended or error from error` makes such; looking for its cause must come to an end."""
    one, other = OSError("refused"), ValueError("other")
    one.__cause__ = one
    other.__cause__, one.__context__ = one, other
    assert list(causes(other)) == [other, one]
    assert explain(one) is None


def test_a_group_is_looked_into_before_what_led_to_it() -> None:
    """So that what is raised on purpose is found, however deep it lies."""
    inner, cause = OSError("inner"), OSError("cause")
    group = ExceptionGroup("tasks", [inner])
    group.__cause__ = cause
    assert list(causes(group)) == [group, inner, cause]


def test_what_tasks_raise_on_purpose_is_meant_and_a_bug_stays_a_group() -> None:
    """However deep: a service says why it ended in one line."""
    away = Unreachable("the database is away")
    assert meant(ExceptionGroup("outer", [ValueError(), ExceptionGroup("inner", [away])])) is away
    bug = ExceptionGroup("outer", [ValueError()])
    assert meant(bug) is bug

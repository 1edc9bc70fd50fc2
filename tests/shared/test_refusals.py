"""What lies behind an error."""

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

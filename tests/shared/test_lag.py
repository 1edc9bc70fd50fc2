"""How long inputs wait, told from offsets alone."""

from shared import metrics


def shown(partition: str) -> tuple[float, float]:
    return (
        metrics.LAG.labels("made-up", partition)._value.get(),
        metrics.LAG_SECONDS.labels("made-up", partition)._value.get(),
    )


def test_the_oldest_that_waits_is_what_counts() -> None:
    """Seconds run from when the end first lay beyond what is handled, and start anew when that is handled."""
    metrics.note_lag("made-up", "0", position=10, end=10, now=100.0)
    assert shown("0") == (0, 0)
    metrics.note_lag("made-up", "0", position=10, end=12, now=110.0)
    metrics.note_lag("made-up", "0", position=10, end=15, now=130.0)
    assert shown("0") == (5, 20)
    metrics.note_lag("made-up", "0", position=12, end=15, now=140.0)
    assert shown("0") == (3, 10)
    metrics.note_lag("made-up", "0", position=15, end=15, now=150.0)
    assert shown("0") == (0, 0)
    metrics.note_lag("made-up", "0", position=15, end=16, now=190.0)
    assert shown("0") == (1, 0)


def test_a_marker_at_the_end_is_nothing_that_waits() -> None:
    """A group that does not commit behind a transaction's marker shows it as a message, but not as time."""
    metrics.note_lag("made-up", "1", position=9, end=10, now=100.0, markers=1)
    metrics.note_lag("made-up", "1", position=9, end=10, now=500.0, markers=1)
    assert shown("1") == (1, 0)


def test_a_topic_made_anew_and_a_long_wait() -> None:
    """Ends that go back begin anew, and what is kept of them stays small without losing the oldest."""
    metrics.note_lag("made-up", "2", position=90, end=100, now=1.0)
    metrics.note_lag("made-up", "2", position=0, end=5, now=2.0)
    for step in range(5_000):
        metrics.note_lag("made-up", "2", position=0, end=6 + step, now=3.0 + step)
    assert shown("2") == (5_005, 5_000)
    assert len(metrics._ends["made-up", "2"]) <= metrics._ENDS_KEPT


def test_what_is_forgotten_is_not_shown() -> None:
    """A partition that went to another process leaves no value behind."""
    metrics.note_lag("made-up", "3", position=0, end=5, now=1.0)
    metrics.forget("made-up", "3")
    assert ("made-up", "3") not in metrics.LAG._metrics

"""What an audit's answer means: a package that nobody knows anything of is not one that is well."""

from pathlib import Path

from deploy.audit import LOCKS, UNKNOWN, VULNERABLE, judge, lock_faults


def test_the_locks_are_pinned_and_hashed() -> None:
    assert [fault for lock in LOCKS for fault in lock_faults(lock)] == []


def test_a_lock_that_is_not_pinned_is_told(tmp_path: Path) -> None:
    lock = tmp_path / "some.lock"
    lock.write_text("# made by hand\nalpha==1.0 \\\n    --hash=sha256:00\nbeta>=2\ngamma[more]==3 ; sys_platform == 'linux'\n")
    assert lock_faults(lock) == [
        "some.lock: beta>=2 is not pinned to a version",
        "some.lock: gamma[more]==3 ; sys_platform == 'linux' has no hash",
    ]


def test_nothing_known_is_no_success() -> None:
    well = {"name": "alpha", "version": "1", "vulns": []}
    skipped = {"name": "beta", "skip_reason": "not found"}
    vulnerable = {"name": "gamma", "version": "1", "vulns": [{"id": "X-1", "fix_versions": ["2"]}]}
    assert judge([well], "pypi") == 0
    assert judge([well, skipped], "pypi") == UNKNOWN
    assert judge([], "pypi") == UNKNOWN
    assert judge([well, skipped, vulnerable], "pypi") == VULNERABLE

"""Tokens of senders: made, shown once, rotated while post runs, revoked."""

import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from services.ingest.post.config import PostSettings
from services.ingest.post.tokens import Senders, Token, TokensRefused, hashed, make_token, read_tokens, write_tokens
from shared.errors import InvalidSetting

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def slugline(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "deploy.cli", "tokens", *arguments], capture_output=True, text=True, check=False)


def test_a_token_is_shown_once_and_its_hash_kept(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    made = slugline("add", "wire-desk", "--file", str(file))
    assert made.returncode == 0, made.stderr
    token = made.stdout.strip()
    assert token.startswith("slp_")
    assert token not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    assert Senders((), str(file)).sender(token, datetime.now(UTC)) == "wire-desk"
    [listed] = [json.loads(line) for line in slugline("list", "--json", "--file", str(file)).stdout.splitlines()]
    assert listed["sha256"] == hashed(token)
    revoked = slugline("revoke", "wire-desk", "--file", str(file))
    assert revoked.returncode == 0, revoked.stderr
    assert read_tokens(file) == []
    unknown = slugline("revoke", "wire-desk", "--file", str(file))
    assert unknown.returncode == 1
    assert unknown.stderr.startswith("slugline: no token belongs to 'wire-desk'")


def test_a_new_token_counts_at_the_next_request_and_a_revoked_one_no_more(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    old, new = make_token(), make_token()
    write_tokens(file, [Token(hashed(old), "desk", date(2026, 1, 1))])
    senders = Senders((), str(file))
    assert (senders.sender(old, NOW), senders.sender(new, NOW)) == ("desk", None)
    write_tokens(file, [Token(hashed(old), "desk", date(2026, 1, 1)), Token(hashed(new), "desk", date(2026, 2, 1))])
    assert (senders.sender(old, NOW), senders.sender(new, NOW)) == ("desk", "desk")
    write_tokens(file, [Token(hashed(new), "desk", date(2026, 2, 1))])
    assert (senders.sender(old, NOW), senders.sender(new, NOW)) == (None, "desk")


def test_an_expired_token_is_not_taken(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    token = make_token()
    write_tokens(file, [Token(hashed(token), "desk", date(2026, 1, 1), NOW.date() + timedelta(days=1))])
    senders = Senders((), str(file))
    assert senders.sender(token, NOW) == "desk"
    assert senders.sender(token, NOW + timedelta(days=1)) is None


@pytest.mark.parametrize("broken", ["nonsense", None])
def test_a_file_that_breaks_locks_nobody_out_and_lets_nobody_in(tmp_path: Path, broken: str | None) -> None:
    file = tmp_path / "tokens"
    token = make_token()
    write_tokens(file, [Token(hashed(token), "desk", date(2026, 1, 1))])
    senders = Senders((), str(file))
    file.unlink()
    if broken is not None:
        file.write_text(broken)
    assert senders.sender(token, NOW) == "desk"
    assert senders.sender("", NOW) is None


@pytest.mark.parametrize(
    "line", ["abc desk 2026-01-01 never", f"{'0' * 64} desk", f"{'0' * 64} desk 2026-01-01 soon", f"{'0' * 64} de/sk 2026-01-01 never"]
)
def test_a_wrong_line_is_named_before_post_starts(tmp_path: Path, line: str) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"# tokens\n{line}\n")
    with pytest.raises(TokensRefused, match="line 2: it must be SHA256 NAME CREATED EXPIRES"):
        read_tokens(file)
    with pytest.raises(InvalidSetting, match=r"SLUGLINE_POST_TOKENS_FILE is wrong: .*line 2"):
        PostSettings.load(post_tokens_file=str(file))

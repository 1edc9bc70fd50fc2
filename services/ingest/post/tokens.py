"""Who may post: tokens by their hashes, from the settings and from a file that is read again when it changes.

The file has a line for each token: `SHA256 NAME CREATED EXPIRES`, times as ISO 8601 dates (UTC), EXPIRES `never` or the first day on
which it is no longer taken. Empty lines and those that begin with # say nothing. A token has 256 random bits, so its hash needs
neither salt nor stretching.
"""

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from shared.errors import SluglineError
from shared.logs import get_logger

log = get_logger()

PREFIX: Final = "slp_"
"""Begins each token, so that scanners for leaked secrets can know one."""
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_NEVER: Final = "never"


class TokensRefused(SluglineError):
    """The file of tokens can't be read, or what is asked of it can't be. The message names the line or the token."""


@dataclass(frozen=True, slots=True)
class Token:
    """One sender's token."""

    sha256: str
    name: str
    created_on: date
    expires_on: date | None = None

    def is_taken(self, today: date) -> bool:
        """Say whether it lets its sender in on a day (UTC)."""
        return self.expires_on is None or today < self.expires_on

    def __str__(self) -> str:
        """Write its line."""
        return f"{self.sha256} {self.name} {self.created_on} {self.expires_on or _NEVER}"


def make_token() -> str:
    """Make a token. It is shown once and kept nowhere."""
    return PREFIX + secrets.token_urlsafe(32)


def hashed(token: str) -> str:
    """Give the hash by which a token is known."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def read_tokens(file: Path) -> list[Token]:
    """Read a file of tokens. Raises `TokensRefused` that names the line."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise TokensRefused(f"the tokens in {file} can't be read: {error}. Make the file with: slugline tokens add NAME") from error
    tokens = []
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#"):
            try:
                sha256, name, created, expires = line.split()
                if not _HASH.fullmatch(sha256) or not NAME.fullmatch(name):
                    raise ValueError("no hash and name")  # noqa: TRY301 - one message for all that a line may lack
                tokens.append(Token(sha256, name, date.fromisoformat(created), None if expires == _NEVER else date.fromisoformat(expires)))
            except ValueError as error:
                raise TokensRefused(f"{file}, line {number}: it must be SHA256 NAME CREATED EXPIRES (a date, or never)") from error
    return tokens


def write_tokens(file: Path, tokens: Iterable[Token]) -> None:
    """Write a file of tokens in one step, for its owner's eyes alone."""
    partial = file.with_name(f"{file.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as written:
        written.write("# Who may post. Written by slugline tokens; read again by post when it changes.\n")
        written.writelines(f"{token}\n" for token in tokens)
    partial.replace(file)


class Senders:
    """Knows a sender by the token it shows. Tokens that are added to the file or taken out of it count at the next request."""

    def __init__(self, sha256: Sequence[str], file: str) -> None:
        """Take the hashes of the settings, and a file's path; empty: there is none. Raises `TokensRefused` for one that can't be read."""
        self._given = [Token(one, one[:8], date.min) for one in sha256]
        self._file = Path(file) if file else None
        self._seen: tuple[int, int, int] | None = None
        self._tokens = self._given
        if self._file is not None:
            self._tokens = self._given + read_tokens(self._file)
            self._seen = self._stamp()

    def sender(self, token: str, now: datetime) -> str | None:
        """Give the name of a token's sender; None for a token that lets nobody in."""
        self._read_again()
        given, today = hashed(token), now.astimezone(UTC).date()
        known = [one for one in self._tokens if hmac.compare_digest(one.sha256, given)]
        return next((one.name for one in known if one.is_taken(today)), None)

    def _read_again(self) -> None:
        if self._file is None or (stamp := self._stamp()) == self._seen:
            return
        self._seen = stamp
        try:
            self._tokens = self._given + read_tokens(self._file)
        except TokensRefused as error:
            # Those known before still count: a broken file must not lock everyone out, nor let anyone in.
            log.error("tokens_not_read", error=str(error), then="the tokens known before still count")  # noqa: TRY400
        else:
            log.info("tokens_read", tokens=len(self._tokens))

    def _stamp(self) -> tuple[int, int, int] | None:
        assert self._file is not None
        try:
            status = self._file.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

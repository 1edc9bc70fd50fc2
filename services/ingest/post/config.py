"""Settings of post."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, StringConstraints
from pydantic_settings import NoDecode

from services.ingest.post.tokens import TokensRefused, read_tokens
from services.ingest.sizes import MIB
from shared.settings import Settings


def _split(value: object) -> object:
    return tuple(part.strip().lower() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


class PostSettings(Settings):
    """Settings of what takes articles over HTTP."""

    post_host: str = Field(default="127.0.0.1", description="address to listen on; 0.0.0.0 in a container")
    post_port: int = Field(default=8090, ge=0, le=65_535, description="0: any that is free")
    post_tokens_sha256: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")], ...], NoDecode, BeforeValidator(_split)
    ] = Field(
        default=(),
        description="hexadecimal SHA-256 of each sender's token, comma-separated: printf %s TOKEN | sha256sum",
    )
    post_tokens_file: str = Field(
        default="", description="a file of senders' names and tokens' hashes, kept by slugline tokens and read again when it changes"
    )
    post_max_body_bytes: int = Field(default=16 * MIB, ge=1_024, description="of one batch, as sent and again after decompression")
    post_max_items: int = Field(default=2_000, ge=1, description="articles in one batch")
    post_body_timeout_s: float = Field(default=30.0, gt=0, description="for a batch to arrive")
    post_broker_timeout_s: float = Field(default=30.0, gt=0, description="for the broker to take a batch; then 503, to be posted again")
    post_at_once: int = Field(
        default=4, ge=1, description="batches in work; each takes memory of several times its size, so more are answered 429"
    )
    post_rate_s: float = Field(default=20.0, gt=0, description="batches a second from one sender; more are answered 429")
    post_burst: int = Field(default=40, ge=1, description="batches that a sender may post at once after a rest")

    def faults(self) -> Iterator[tuple[str, str]]:
        """Want a token, and a file of them that can be read."""
        yield from super().faults()
        if not self.post_tokens_sha256 and not self.post_tokens_file:
            yield (
                "post_tokens_file",
                "is missing, and SLUGLINE_POST_TOKENS_SHA256 too: nobody could post; slugline tokens add NAME makes it",
            )
        if self.post_tokens_file:
            try:
                read_tokens(Path(self.post_tokens_file))
            except TokensRefused as error:
                yield "post_tokens_file", f"is wrong: {error}"

"""Reading a posted batch: an answer for each item, and the discoveries of those that are accepted. Pure."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.ingest.identity import canonical_url, unlinked_urn
from services.ingest.replay import read_line
from shared.contracts import Discovery
from shared.errors import Refused
from shared.ids import article_id
from shared.kafka.decision import Decision, Output
from shared.kafka.encode import encode

BOM = b"\xef\xbb\xbf"
ID_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one item: `output` is absent where it is refused, `refused` where it is not."""

    item_id: str | None
    output: Output | None = None
    refused: Refused | None = None

    def as_json(self, index: int) -> dict[str, Any]:
        """Give the answer as the sender reads it; `index` counts items from 0."""
        told: dict[str, Any] = {"index": index, "id": self.item_id}
        if self.refused is not None:
            return told | {"status": "refused", "reason": self.refused.reason, "detail": self.refused.detail}
        assert self.output is not None
        assert isinstance(self.output.value, Discovery)
        return told | {"status": "accepted", "article_id": str(article_id(_identity(self.output.value)))}


def read_batch(body: bytes, source: str, now: datetime, *, most: int) -> list[Answer]:
    """Read a JSON array of articles, one article, or JSON lines. `source` names the outlet of items without url and source.

    Raises `Refused` for the batch as a whole: invalid_json (an array that is none), empty, too_many_items.
    """
    answers: list[Answer] = []
    for item in _items(body.removeprefix(BOM)):
        if len(answers) == most:
            raise Refused("too_many_items", f"a batch has at most {most:,} articles; post the others in further batches")
        answers.append(_answer(item, source, now))
    if not answers:
        raise Refused("empty", "the body holds no article: send a JSON array of objects, or an object a line")
    return answers


def _items(body: bytes) -> Iterator[bytes | Any]:
    """Give each item: bytes of a line, or a value that JSON gave."""
    start = body.lstrip()[:1]
    if start in (b"[", b"{"):
        try:
            whole = json.loads(body)
        except (ValueError, RecursionError) as error:
            if start == b"[":
                raise Refused("invalid_json", f"the body begins as a JSON array and is none: {str(error)[:200]}") from error
        else:
            yield from whole if isinstance(whole, list) else (whole,)
            return
    for line in body.split(b"\n"):
        if line.strip():
            yield line


def _answer(item: bytes | Any, source: str, now: datetime) -> Answer:
    item_id: str | None = None
    try:
        item_id = _id_of(item)
        line = item if isinstance(item, bytes) else json.dumps(item).encode()
        output = read_line(line, source, now)
        encode(Decision(outputs=(output,)))  # one that no topic takes is refused here, alone
    except Refused as error:
        return Answer(item_id, refused=error)
    except RecursionError:
        return Answer(item_id, refused=Refused("invalid_json", "it is nested too deeply"))
    return Answer(item_id, output)


def _id_of(item: bytes | Any) -> str | None:
    """Give the sender's own id, to find the item again by; None where it has none that can be shown."""
    try:
        value = json.loads(item) if isinstance(item, bytes) else item
    except (ValueError, RecursionError):
        return None
    found = value.get("id") if isinstance(value, dict) else None
    return str(found)[:ID_SHOWN] if isinstance(found, str | int) else None


def _identity(discovery: Discovery) -> str:
    if discovery.url is not None:
        return canonical_url(discovery.url)
    return unlinked_urn(discovery.source or "", discovery.item_id or "")

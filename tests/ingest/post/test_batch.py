"""A posted batch: each item has an answer, and the same article the same identity."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.post.batch import Answer, read_batch
from services.ingest.post.limits import Pace
from shared.contracts import Discovery, DiscoveryKind
from shared.errors import Refused

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FERRY = {"id": "f1", "title": "Ferry aground", "text": "Two tugs pulled it free.", "url": "https://harbour.example/ferry", "language": "en"}
UNLINKED = {"id": 7, "title": "Read at noon", "source": "Harbour Radio"}


def read(body: object, source: str = "", most: int = 100) -> list[Answer]:
    return read_batch(body if isinstance(body, bytes) else json.dumps(body).encode(), source, NOW, most=most)


def told(answers: list[Answer]) -> list[dict[str, Any]]:
    return [answer.as_json(index) for index, answer in enumerate(answers)]


@pytest.mark.parametrize(
    "body",
    [
        json.dumps([FERRY, UNLINKED]).encode(),
        json.dumps([FERRY, UNLINKED], indent=2).encode(),
        b"\xef\xbb\xbf" + json.dumps([FERRY, UNLINKED]).encode(),
        b"\n".join(json.dumps(one).encode() for one in (FERRY, UNLINKED)),
        b"\r\n\r\n".join(json.dumps(one).encode() for one in (FERRY, UNLINKED)) + b"\r\n",
    ],
)
def test_an_array_and_lines_are_read_alike(body: bytes) -> None:
    answers = read(body)
    assert [(one["id"], one["status"]) for one in told(answers)] == [("f1", "accepted"), ("7", "accepted")]
    discoveries = [answer.output.value for answer in answers if answer.output]
    assert all(isinstance(one, Discovery) and one.kind is DiscoveryKind.ARTICLE for one in discoveries)


def test_one_article_may_be_posted_alone() -> None:
    assert len(read(json.dumps(FERRY, indent=2).encode())) == 1


def test_the_same_article_has_the_same_identity_however_its_url_is_written() -> None:
    again = FERRY | {"url": "https://WWW.harbour.example/ferry?utm_source=post#top", "id": "other"}
    first, second, third = read([FERRY, FERRY, again])
    assert first.output == second.output
    assert len({one["article_id"] for one in told([first, second, third])}) == 1
    assert third.output is not None
    assert first.output is not None
    assert third.output.key == first.output.key


def test_a_bad_item_is_refused_alone_with_its_reason() -> None:
    items = [
        FERRY,
        {"id": "empty"},
        {"title": "Nowhere"},
        {**FERRY, "published": "yesterday"},
        {**FERRY, "url": "ftp://harbour.example/x"},
        {**FERRY, "schema_version": 9},
        {**FERRY, "title": "a\0b"},
        {**FERRY, "text": "\ud800"},
        ["no", "object"],
        None,
        {**FERRY, "text": "\x01" * 199_000},
        UNLINKED,
    ]
    answers = told(read(items))
    assert [one.get("reason") for one in answers] == [
        None, "no_content", "no_identity", "invalid_time", answers[4]["reason"], "wrong_version", "invalid_text", "invalid_text",
        "invalid_json", "invalid_json", answers[10]["reason"], None,
    ]  # fmt: skip
    assert [one["status"] for one in answers] == ["accepted"] + ["refused"] * 10 + ["accepted"]
    assert answers[4]["reason"] == "url_refused"
    assert answers[10]["reason"] == "output_too_large"


def test_blank_ids_and_urls_are_none() -> None:
    """A sender's empty columns neither stop the batch nor make one article of many."""
    blank = {"title": "A title", "source": "Desk", "url": " "}
    first, second, third = told(read([{**blank, "id": "1", "url": ""}, {**blank, "id": " "}, {**blank, "id": "3", "source": "\t"}], "desk"))
    assert (first["status"], second.get("reason"), third["status"]) == ("accepted", "no_identity", "accepted")


def test_html_is_read_and_plain_text_left_alone() -> None:
    marked, plain = (
        {**FERRY, "title": "<b>Ferry</b> &amp; tug", "text": "<p>Two tugs.</p><p>It&#8217;s free.</p>"},
        {**FERRY, "text": "1 < 2 & 3"},
    )
    texts = [(one.output.value.title, one.output.value.text) for one in read([marked, plain]) if one.output]  # type: ignore[union-attr]
    assert texts == [("Ferry & tug", "Two tugs.\nIt’s free."), ("Ferry aground", "1 < 2 & 3")]


def test_items_without_an_outlet_take_the_batchs() -> None:
    assert told(read([{"id": 1, "title": "A title"}]))[0]["reason"] == "no_identity"
    assert told(read([{"id": 1, "title": "A title"}], "desk"))[0]["status"] == "accepted"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b" \n\n ", "empty"),
        (b"[]", "empty"),
        (b"[{", "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
        (json.dumps([FERRY] * 101).encode(), "too_many_items"),
        (b"x\n" * 101, "too_many_items"),
    ],
)
def test_a_batch_that_is_none_is_refused_whole(body: bytes, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        read(body)
    assert refused.value.reason == reason


def test_lines_that_are_no_json_are_answered_each() -> None:
    answers = told(read(b'{"a":' * 50_000 + b"\nnonsense\n\xff\xfe\n" + json.dumps(FERRY).encode()))
    assert [one["status"] for one in answers] == ["refused", "refused", "refused", "accepted"]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200) | st.recursive(st.none() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["id", "title", "text", "url", "published", "source", "language"]), inner), max_leaves=20))  # fmt: skip
def test_whatever_is_posted_is_answered(body: object) -> None:
    """Every body is refused whole or answered item by item, in JSON."""
    try:
        answers = read(body)
    except Refused:
        return
    json.dumps(told(answers)).encode()


def test_a_sender_has_its_burst_and_then_its_rate() -> None:
    pace = Pace(2.0, 3)
    assert [pace.wait_s("one", 10.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert pace.wait_s("other", 10.0) == 0
    assert pace.wait_s("one", 10.5) == 0
    assert pace.wait_s("one", 10.5) > 0
    assert timedelta(seconds=pace.wait_s("one", 5.0)) > timedelta()

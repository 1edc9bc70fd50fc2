"""Messages: bytes that come back, bad ones that are refused with a name, files that are current and compatible."""

import copy
import json
from datetime import UTC, datetime
from uuid import UUID

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts import Article, Clock, Discovery, InputKind, Message, Publisher, StoryInput, StoryUpdated
from shared.contracts.export import RELEASED, SCHEMAS, asyncapi, breaks, compare, contracts, stale
from shared.errors import InvalidMessage
from shared.topics import ALL, LANGUAGE_PARTITIONS, STORY_INPUTS, STORY_PARTITIONS, key_partition, language_partition

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def article(**more: object) -> Article:
    fields = {
        "article_id": UUID(int=1), "version": 1, "url": "https://ledger.example/1", "canonical_url": "https://ledger.example/1",
        "publisher": Publisher(id="ledger.example", name="The Ledger"), "title": "A title", "language": "en", "fetched_at": NOW, "content_hash": "x",
    }  # fmt: skip
    return Article.model_validate({**fields, **more})


def test_the_committed_schemas_and_asyncapi_are_what_the_models_say() -> None:
    assert stale() == [], "run: slugline contracts export"


def test_the_contracts_are_compatible_with_the_last_release() -> None:
    assert breaks() == []


def test_every_public_contract_has_a_released_snapshot() -> None:
    assert {path.name.removesuffix(".schema.json") for path in RELEASED.glob("*.schema.json")} == set(contracts())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda now: now["properties"].pop("title"), "title: the field was removed"),
        (lambda now: now["properties"]["version"].update(type="string"), "version: its type changed"),
        (
            lambda now: (now["properties"].update(must={"type": "string"}), now["required"].append("must")),
            "must: a new field must be optional",
        ),
        (lambda now: now["$defs"]["Publisher"]["properties"].pop("name"), "Publisher.name: the field was removed"),
        (lambda now: now["$defs"]["Extraction"]["enum"].remove("full"), "'full' was removed"),
    ],
)
def test_a_breaking_change_fails_with_what_to_do(change: object, says: str) -> None:
    before = json.loads((SCHEMAS / "Article.schema.json").read_text())
    now = copy.deepcopy(before)
    change(now)  # type: ignore[operator]
    [fault] = compare(before, now, "Article")
    assert says in fault
    assert "eep it" in fault or "optional" in fault


def test_a_new_optional_field_is_compatible() -> None:
    before = json.loads((SCHEMAS / "Article.schema.json").read_text())
    now = copy.deepcopy(before)
    now["properties"]["more"] = {"type": "string", "default": ""}
    assert compare(before, now, "Article") == []


def test_messages_match_their_exported_schema() -> None:
    schema = json.loads((SCHEMAS / "Article.schema.json").read_text())
    jsonschema.validate(json.loads(article().to_bytes()), schema)


def test_the_asyncapi_document_names_every_public_topic() -> None:
    document = asyncapi()
    assert set(document["channels"]) == {topic.name for topic in ALL if topic.contract is not None}
    assert document["asyncapi"].startswith("3.")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("published_at", "0001-01-01T00:00:00Z"),
        ("published_at", "2200-01-01T00:00:00Z"),
        ("published_at", "2026-03-01T12:00:00"),
        ("title", "x" * 2_000_000),
        ("text", "a\0b"),
        ("schema_version", 2),
        ("version", 0),
        ("language", "English"),
        ("status", "lost"),
    ],
)
def test_a_bad_field_is_refused_and_named(field: str, value: object) -> None:
    raw = json.loads(article().to_bytes()) | {field: value}
    with pytest.raises(InvalidMessage, match=f"not a Article: {field}"):
        Article.from_bytes(json.dumps(raw).encode())


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"title": "\\ud800"}', b"[" * 100_000])
def test_bytes_that_are_no_message_are_refused(value: bytes) -> None:
    for contract in contracts().values():
        with pytest.raises(InvalidMessage):
            contract.from_bytes(value)


def test_unknown_fields_are_ignored_and_unknown_reasons_read() -> None:
    raw = json.loads(article().to_bytes()) | {"invented": 1}
    assert Article.from_bytes(json.dumps(raw).encode()) == article()
    assert "max_length" not in str(StoryUpdated.model_fields["reason"].annotation)


def test_a_story_input_holds_exactly_what_its_kind_says() -> None:
    with pytest.raises(ValueError, match="kind is article but it holds clock"):
        StoryInput(kind=InputKind.ARTICLE, clock=Clock(at=NOW))


def test_a_discovery_needs_an_identity() -> None:
    with pytest.raises(ValueError, match="needs a url, or a source and an item_id"):
        Discovery(kind="item", discovered_at=NOW)  # type: ignore[arg-type]


@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=300),
    st.integers(0, 4_000_000_000),
)
def test_any_article_comes_back_from_its_bytes_and_equal_articles_are_equal_bytes(text: str, at: int) -> None:
    one = article(text=text, published_at=datetime.fromtimestamp(at, tz=UTC))
    assert Article.from_bytes(one.to_bytes()) == one
    assert Article.from_bytes(one.to_bytes()).to_bytes() == one.to_bytes()


def test_topics_that_carry_stories_share_their_partitions() -> None:
    counts = {topic.name: topic.partitions for topic in ALL}
    assert (
        counts["story_inputs.v1"]
        == counts["story_updates.v1"]
        == counts["stories.v1"]
        == counts["story_members.v1"]
        == counts["assign-state.v1"]
    )
    assert all(partition < STORY_PARTITIONS - 1 for partition in LANGUAGE_PARTITIONS.values())


@given(st.text(max_size=40))
def test_every_key_and_language_has_a_partition(text: str) -> None:
    assert 0 <= key_partition(text, STORY_INPUTS) < STORY_INPUTS.partitions
    assert 0 <= language_partition(text) < STORY_PARTITIONS


def test_messages_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        article().title = "another"  # type: ignore[misc]
    assert issubclass(Article, Message)

"""The recorded messages: every kind is there, each is one that consumers may meet, and they are what the code makes now."""

import hmac
import json
from base64 import b64decode, b64encode
from collections import defaultdict
from typing import Any
from uuid import UUID

import pytest

from deploy import recorded_messages
from services.publish.webhooks.event import Kind
from shared.contracts import (
    ArticleStatus,
    CommandOp,
    Discovery,
    DiscoveryKind,
    InputKind,
    Member,
    Message,
    Story,
    StoryInput,
    StoryStatus,
    StoryUpdated,
)
from shared.contracts.story_updated import Reason
from shared.ids import event_id
from shared.topics import (
    ALL,
    ARTICLES,
    DEAD_LETTERS,
    DISCOVERIES,
    FEEDS,
    STORIES,
    STORY_BRIEFS,
    STORY_INPUTS,
    STORY_MEMBERS,
    STORY_UPDATES,
    Topic,
)

PUBLIC = [topic for topic in ALL if topic.contract is not None]


def held(topic: Topic) -> list[Message]:
    return [message for _, message in recorded_messages.messages(topic) if message is not None]


def test_they_are_what_the_code_makes_now() -> None:
    """Whoever changes what a stage makes records the messages anew."""
    stale = recorded_messages.stale()
    assert not stale, f"stale: {', '.join(stale)}. Run: slugline contracts examples"


def test_small_differences_of_processors_are_none() -> None:
    """A vector's step or a score's last digit differ between machines; anything more is a change."""
    one = {"score": 0.5, "vector": b64encode(bytes([255, 7])).decode(), "headline": "A"}
    assert recorded_messages.alike([one], [one | {"score": 0.501, "vector": b64encode(bytes([0, 6])).decode()}])
    assert not recorded_messages.alike([one], [one | {"score": 0.6}])
    assert not recorded_messages.alike([one], [one | {"vector": b64encode(bytes([200, 7])).decode()}])
    assert not recorded_messages.alike([one], [one | {"headline": "B"}])


@pytest.mark.parametrize("topic", PUBLIC, ids=lambda topic: topic.name)
def test_every_record_is_one_of_its_topic(topic: Topic) -> None:
    """Values meet the contract and come back whole, partitions exist, and offsets rise."""
    ends: dict[int, int] = defaultdict(lambda: -1)
    lines = (recorded_messages.FOLDER / f"{topic.name}.jsonl").read_text(encoding="utf-8").splitlines()
    assert lines
    for record in map(json.loads, lines):
        assert set(record) == {"shows", "partition", "offset", "timestamp_ms", "key", "headers", "value"}
        assert 0 <= record["partition"] < topic.partitions
        assert record["offset"] > ends[record["partition"]]
        ends[record["partition"]] = record["offset"]
        if record["value"] is not None:
            assert topic.contract is not None
            assert json.loads(topic.contract.from_bytes(json.dumps(record["value"]).encode()).to_bytes()) == record["value"]


def test_every_kind_is_there() -> None:
    """Reasons, states, inputs, commands, tombstones, copies, links, redirects, headers and letters."""
    updates = [message for message in held(STORY_UPDATES) if isinstance(message, StoryUpdated)]
    assert {update.reason for update in updates} == {reason.value for reason in Reason}
    assert {update.actor.kind for update in updates} == {"machine", "editor"}
    stories = [message for message in held(STORIES) if isinstance(message, Story)]
    assert {story.status for story in stories} == set(StoryStatus)
    assert any(story.links for story in stories)
    assert any(story.pinned for story in stories)
    inputs = [message for message in held(STORY_INPUTS) if isinstance(message, StoryInput)]
    assert {one.kind for one in inputs} == set(InputKind)
    assert {one.command.op for one in inputs if one.command} == set(CommandOp)
    assert {one.kind for one in held(DISCOVERIES) if isinstance(one, Discovery)} == set(DiscoveryKind)
    assert {status for one in held(ARTICLES) for status in [getattr(one, "status", None)]} == set(ArticleStatus)
    members = [message for message in held(STORY_MEMBERS) if isinstance(message, Member)]
    assert any(member.wire_group for member in members)
    assert any(not member.present for member in members)
    for topic in (FEEDS, ARTICLES, STORY_MEMBERS, STORY_BRIEFS):
        assert any(message is None for _, message in recorded_messages.messages(topic)), f"{topic.name} has no tombstone"
    assert {getattr(letter, "resolution", None) for letter in held(DEAD_LETTERS)} == {None, "dropped"}
    headers = [json.loads(line)["headers"] for line in (recorded_messages.FOLDER / "articles.v1.jsonl").read_text().splitlines()]
    assert any("traceparent" in found for found in headers)


def test_what_consumers_may_rely_on_holds_for_them() -> None:
    """Revisions run without holes, event ids follow from them, merged stories redirect, and the last update is the story."""
    last: dict[UUID, StoryUpdated] = {}
    for update in held(STORY_UPDATES):
        assert isinstance(update, StoryUpdated)
        before = last.get(update.story_id)
        assert update.revision == (before.revision if before else 0) + 1
        assert update.event_id == event_id(update.story_id, update.revision)
        assert (update.status is StoryStatus.MERGED) == (update.redirect_to is not None)
        last[update.story_id] = update
    now: dict[UUID, Any] = {story.story_id: story for story in held(STORIES) if isinstance(story, Story)}
    assert {story_id: (one.revision, one.article_count, one.headline) for story_id, one in now.items()} == {
        story_id: (one.revision, one.article_count, one.headline) for story_id, one in last.items()
    }


def test_recorded_posts_are_signed_by_the_secret_that_the_page_names() -> None:
    """A receiver's test can check them as it checks real ones; every kind of event is there."""
    posts = [json.loads(line) for line in (recorded_messages.FOLDER / "webhooks.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {post["shows"] for post in posts} == {kind.value for kind in Kind}
    secret = recorded_messages.SECRET
    assert secret in (recorded_messages.FOLDER / "README.md").read_text(encoding="utf-8")
    for post in posts:
        headers, body = post["headers"], post["body"].encode()
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        digest = hmac.digest(b64decode(secret.removeprefix("whsec_")), signed, "sha256")
        assert headers["webhook-signature"] == f"v1,{b64encode(digest).decode()}"
        assert json.loads(body)["type"] == post["shows"]

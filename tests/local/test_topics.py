"""`slugline topics` against the real broker."""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from shared import topics
from shared.errors import Unreachable
from shared.kafka import admin as kafka_admin
from shared.kafka.admin import Difference

pytestmark = pytest.mark.stack


async def test_a_broker_with_the_topics_applied_has_no_difference(clean_topics: str) -> None:
    async with kafka_admin.connected(clean_topics) as admin:
        assert await kafka_admin.check(admin) == []


async def test_applying_twice_changes_nothing(clean_topics: str) -> None:
    async with kafka_admin.connected(clean_topics) as admin:
        again = await kafka_admin.apply(admin)
    assert (again.created, again.changed, again.left) == ((), (), ())


async def test_a_missing_topic_is_told_and_created(broker: str, unique: Callable[[str], str]) -> None:
    topic = replace(topics.FEEDS, name=unique("feeds"))
    async with kafka_admin.connected(broker) as admin:
        assert await kafka_admin.check(admin, [topic]) == [Difference(topic.name, "topic", "present", "missing", "apply")]
        assert (await kafka_admin.apply(admin, [topic])).created == (topic.name,)
        assert await kafka_admin.check(admin, [topic]) == []


async def test_settings_are_mended_and_an_operators_own_are_kept(broker: str, unique: Callable[[str], str]) -> None:
    name = unique("feeds")
    as_made = replace(topics.FEEDS, name=name, config=dict(topics.FEEDS.config) | {"cleanup.policy": "delete", "segment.ms": "86400000"})
    wanted = replace(topics.FEEDS, name=name)
    async with kafka_admin.connected(broker) as admin:
        await kafka_admin.apply(admin, [as_made])
        assert [difference.setting for difference in await kafka_admin.check(admin, [wanted])] == ["cleanup.policy"]
        assert (await kafka_admin.apply(admin, [wanted])).changed == (name,)
        assert await kafka_admin.check(admin, [wanted]) == []
        own = replace(wanted, config=dict(wanted.config) | {"segment.ms": "86400000"})
        assert await kafka_admin.check(admin, [own]) == []


async def test_partitions_are_told_but_never_changed(broker: str, unique: Callable[[str], str]) -> None:
    name = unique("story_inputs")
    async with kafka_admin.connected(broker) as admin:
        await kafka_admin.apply(admin, [replace(topics.STORY_INPUTS, name=name, partitions=2)])
        applied = await kafka_admin.apply(admin, [replace(topics.STORY_INPUTS, name=name, partitions=3)])
    assert applied.left == (Difference(name, "partitions", "3", "2", "operation"),)


async def test_a_refusal_names_the_topic_and_the_brokers_reason(broker: str) -> None:
    async with kafka_admin.connected(broker) as admin:
        with pytest.raises(kafka_admin.TopicsRefused, match=r"not a name: .*illegal|not a name: .*invalid"):
            await kafka_admin.apply(admin, [replace(topics.FEEDS, name="not a name")])


async def test_no_broker_is_a_clear_error(unused_tcp_port: int) -> None:
    with pytest.raises(Unreachable, match=f"no Kafka broker answers at 127.0.0.1:{unused_tcp_port}"):
        async with kafka_admin.connected(f"127.0.0.1:{unused_tcp_port}"):
            pass


def test_three_replicas_survive_the_loss_of_a_broker() -> None:
    assert kafka_admin.settings_of(topics.FEEDS, 3)["min.insync.replicas"] == "2"
    assert "min.insync.replicas" not in kafka_admin.settings_of(topics.FEEDS, 1)


MEMBER = """
import asyncio, sys
from aiokafka import AIOKafkaConsumer

async def main(servers, topic, group, instance):
    options = {"bootstrap_servers": servers, "group_id": group, "group_instance_id": instance or None, "auto_offset_reset": "earliest"}
    async with AIOKafkaConsumer(topic, **options) as consumer:
        await consumer.getone()
        await consumer.commit()
        print("committed", flush=True)
        await asyncio.sleep(600)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("instance", ["", "pod-0"])
async def test_topics_made_anew_have_no_group_of_ours_even_of_members_that_were_killed(clean_topics: str, instance: str) -> None:
    """Else a partition owner would find its group's offset without its state, and rightly refuse to start."""
    tp, group = TopicPartition(topics.FEEDS.name, 0), f"slugline-{instance or 'dynamic'}"
    async with AIOKafkaProducer(bootstrap_servers=clean_topics) as producer:
        await producer.send_and_wait(tp.topic, b"{}", key=b"k", partition=tp.partition)
    arguments = (clean_topics, tp.topic, group, instance)
    member = await asyncio.create_subprocess_exec(sys.executable, "-c", MEMBER, *arguments, stdout=asyncio.subprocess.PIPE)
    try:
        assert member.stdout
        assert await asyncio.wait_for(member.stdout.readline(), 60) == b"committed\n"
    finally:
        member.kill()
        await member.wait()
    async with kafka_admin.connected(clean_topics) as admin:
        assert (await admin.list_consumer_group_offsets(group))[tp].offset == 1
        await kafka_admin.recreate(admin)
        assert group not in {name for name, *_ in await admin.list_consumer_groups()}
        assert await admin.list_consumer_group_offsets(group) == {}

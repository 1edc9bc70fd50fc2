"""Kafka with TLS, SCRAM users and permissions: who gets in, and what those who don't are told."""

import asyncio
from pathlib import Path

import pytest
import uvloop
from aiokafka import AIOKafkaProducer

from shared.errors import InvalidSetting, SluglineError, Unauthorised, Unreachable
from shared.kafka import admin as kafka_admin
from shared.kafka.changelog import read_changelog
from shared.kafka.client import client_options, start_client
from shared.loop import Loop
from shared.settings import Settings
from shared.topics import POLL_STATE
from tests.security.certificates import make_authority
from tests.security.secured import ADMINISTRATOR, STRANGER, SecuredBroker

pytestmark = pytest.mark.stack


async def connect(settings: Settings) -> None:
    """Start a producer as services do; one that waits for ever is a failure."""
    async with asyncio.timeout(20):
        producer = await start_client(lambda: AIOKafkaProducer(**client_options(settings)))
    await producer.stop()


async def test_a_user_with_a_password_gets_in_over_tls(secured: SecuredBroker) -> None:
    await connect(secured.settings(STRANGER))


async def test_the_password_may_be_in_a_file(secured: SecuredBroker, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{secured.passwords[STRANGER]}\n")
    await connect(secured.settings(STRANGER, kafka_password="", kafka_password_file=str(file)))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"kafka_password": "not-it"}, r"refuses the user 'stranger': wrong password, or no such user.* SLUGLINE_KAFKA_PASSWORD"),
        ({"kafka_username": "nobody"}, "refuses the user 'nobody'"),
        ({"kafka_sasl_mechanism": "SCRAM-SHA-256"}, "does not take SCRAM-SHA-256.*SLUGLINE_KAFKA_SASL_MECHANISM"),
        ({"kafka_ca_file": ""}, "certificate of the broker at .* is not trusted: .*SLUGLINE_KAFKA_CA_FILE"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
async def test_whoever_is_refused_is_told_why_at_once(secured: SecuredBroker, wrong: dict[str, str], told: str) -> None:
    settings = secured.settings(STRANGER, **wrong)
    with pytest.raises(Unauthorised, match=told):
        await connect(settings)
    with pytest.raises(Unauthorised, match=told):
        async with kafka_admin.connected(settings):
            pass


async def test_another_authority_is_not_trusted(secured: SecuredBroker, tmp_path: Path) -> None:
    other = make_authority(tmp_path)
    with pytest.raises(Unauthorised, match="is not trusted"):
        await connect(secured.settings(STRANGER, kafka_ca_file=str(other.certificate)))


async def test_a_certificate_for_another_host_is_not_trusted(secured: SecuredBroker) -> None:
    """The broker's certificate names 127.0.0.1 alone."""
    with pytest.raises(Unauthorised, match=r"localhost:\d+ is not trusted: Hostname mismatch.*the certificate name that host"):
        await connect(secured.settings(STRANGER, kafka_bootstrap_servers=f"localhost:{secured.port}"))


async def test_tls_spoken_to_a_plain_listener_is_told(broker: str, secured: SecuredBroker) -> None:
    options = client_options(secured.settings(STRANGER, kafka_bootstrap_servers=broker))
    with pytest.raises(Unreachable, match=r"closes it.*not one for SASL_SSL \(SLUGLINE_KAFKA_SECURITY_PROTOCOL"):
        await start_client(lambda: AIOKafkaProducer(**options), give_up_s=0)


async def test_plain_text_spoken_to_a_tls_listener_is_told(secured: SecuredBroker) -> None:
    with pytest.raises(Unreachable, match=r"closes it.*SLUGLINE_KAFKA_SECURITY_PROTOCOL"):
        await start_client(lambda: AIOKafkaProducer(bootstrap_servers=secured.bootstrap_servers), give_up_s=0)


async def test_a_client_certificate_gets_in_where_one_is_asked_for(secured: SecuredBroker) -> None:
    assert secured.authority is not None
    certificate, key = secured.authority.sign("someone")
    place = {
        "kafka_bootstrap_servers": f"127.0.0.1:{secured.mutual_port}",
        "kafka_security_protocol": "SSL",
        "kafka_ca_file": str(secured.authority.certificate),
    }
    await connect(Settings.load(**place, kafka_certificate_file=str(certificate), kafka_key_file=str(key)))
    with pytest.raises(SluglineError, match="certificate"):
        await start_client(lambda: AIOKafkaProducer(**client_options(Settings.load(**place))), give_up_s=0)


async def test_a_stranger_may_not_make_topics(secured: SecuredBroker) -> None:
    async with kafka_admin.connected(secured.settings(STRANGER)) as admin:
        with pytest.raises(Unauthorised, match="does not let this user create"):
            await kafka_admin.apply(admin, replication=1)


async def test_a_key_that_is_no_key_is_told_before_anything_connects(tmp_path: Path) -> None:
    wrong = tmp_path / "ca.pem"
    wrong.write_text("nothing")
    with pytest.raises(InvalidSetting, match="SLUGLINE_KAFKA_CA_FILE"):
        Settings.load(kafka_security_protocol="SSL", kafka_ca_file=str(wrong))


async def test_a_changelog_is_read_in_time_by_the_loop_of_services(secured: SecuredBroker) -> None:
    """A broker that does not answer the end of a TLS connection held each partition up for 30 s."""
    settings = secured.settings(ADMINISTRATOR)
    async with kafka_admin.connected(settings) as admin:
        await kafka_admin.recreate(admin)

    async def read() -> list[int | None]:
        async with asyncio.timeout(10):
            partitions = range(POLL_STATE.partitions)
            return await asyncio.gather(
                *(read_changelog(settings, POLL_STATE.name, at, lambda _k, _v: None, progress=lambda _r, _s: None) for at in partitions)
            )

    assert await asyncio.to_thread(uvloop.run, read(), loop_factory=Loop) == [None] * POLL_STATE.partitions

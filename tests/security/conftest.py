"""A broker and a database with TLS, users and permissions, started when the first test asks for them."""

import shutil
from collections.abc import Iterator

import pytest

from deploy.local.ports import free_ports
from deploy.local.supervise import Watchdog
from tests.security.certificates import Authority, make_authority
from tests.security.secured import SecuredBroker


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("certificates are made with openssl, which is not installed")
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory, watchdog: Watchdog, authority: Authority) -> Iterator[SecuredBroker]:
    """Give the session's secured broker, running, with no topic and no permission."""
    port, controller_port, mutual_port = free_ports(3)
    broker = SecuredBroker(
        tmp_path_factory.mktemp("secured"), port, controller_port, watchdog, authority=authority, mutual_port=mutual_port
    )
    broker.prepare()
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()
        shutil.rmtree(broker.folder / "data", ignore_errors=True)

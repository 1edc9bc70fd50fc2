"""A broker of a bench's own, in a folder that goes with it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.kafka import Broker
from deploy.local.ports import free_ports
from deploy.local.supervise import Watchdog


@contextmanager
def own_broker() -> Iterator[tuple[Broker, Path]]:
    """Give a broker that answers, without topics, and a folder for what else the bench writes; both are gone afterwards."""
    watchdog = Watchdog()
    port, controller_port = free_ports(2)
    with tempfile.TemporaryDirectory(prefix="slugline-bench-", ignore_cleanup_errors=True) as folder:
        broker = Broker(Path(folder) / "broker", port, controller_port, watchdog)
        try:
            broker.prepare()
            broker.start()
            yield broker, Path(folder)
        finally:
            broker.kill()
            watchdog.close()

"""A container's health check against a real health server."""

import asyncio
import sys

import pytest

from deploy.local.ports import LOOPBACK, free_ports
from shared import health
from shared.settings import Settings


async def probe(port: int, *arguments: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.probe", *arguments, stdout=asyncio.subprocess.PIPE, env={"SLUGLINE_HEALTH_PORT": str(port)}
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_it_says_what_a_service_waits_for() -> None:
    """0 when ready; else 1 and the parts that are not well. Liveness is another path."""
    [port] = free_ports(1)
    waits: list[str | None] = ["the broker does not answer"]
    readiness = health.Readiness()
    readiness.add("broker", lambda: waits[0])
    runner = await health.serve(readiness, Settings(health_host=LOOPBACK, health_port=port))
    assert runner is not None
    try:
        assert await probe(port) == (1, '{"broker": "the broker does not answer"}\n')
        code, said = await probe(port, "/live")
        assert code == 0
        assert '"version"' in said
        waits[0] = None
        code, said = await probe(port)
        assert code == 0
        assert '"ready": true' in said
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("port", ["1", "not-a-port"])
async def test_nobody_who_answers_is_not_ready(port: str) -> None:
    """One line says so."""
    code, said = await probe(port)  # type: ignore[arg-type]
    assert code == 1
    assert said.startswith("does not answer: ")

"""Ports that are taken are passed over."""

import socket

from deploy.local.ports import LOOPBACK, free_port, free_ports, is_free


def test_a_taken_port_is_passed_over() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        taken = server.getsockname()[1]
        assert not is_free(taken)
        assert free_port(taken) != taken


def test_a_free_preferred_port_is_taken() -> None:
    [port] = free_ports(1)
    assert free_port(port) == port
    assert free_port(port, taken=[port]) != port


def test_ports_asked_for_together_differ() -> None:
    assert len(set(free_ports(20))) == 20

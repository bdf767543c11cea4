"""Ports for servers of the tests."""

from __future__ import annotations

from support.ports import free_port


def test_two_servers_that_do_not_listen_yet_are_never_given_one_port() -> None:
    given = [free_port() for _ in range(500)]
    assert len(set(given)) == len(given)

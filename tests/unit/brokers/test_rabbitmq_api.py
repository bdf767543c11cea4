"""RabbitMQ's management API at an address of its own."""

from __future__ import annotations

import pytest

from jobspan.brokers.address import read_url
from jobspan.brokers.rabbitmq_api import ApiIsAbsent, ManagementApi
from jobspan.errors import UsageError
from support.ports import free_port


def test_an_error_names_the_address_without_who_asks() -> None:
    api = ManagementApi(read_url("amqp://me:mine@127.0.0.1"), f"http://them:theirs@127.0.0.1:{free_port()}/")
    with pytest.raises(ApiIsAbsent) as told:
        api.queues()
    assert "does not answer at http://127.0.0.1:" in str(told.value)
    assert "theirs" not in str(told.value)
    api.close()
    with pytest.raises(UsageError) as wrong:
        ManagementApi(read_url("amqp://127.0.0.1"), "ftp://them:theirs@127.0.0.1")
    assert "theirs" not in str(wrong.value)

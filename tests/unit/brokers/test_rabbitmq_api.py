"""RabbitMQ's management API at an address of its own."""

from __future__ import annotations

import pytest

from jobspan.brokers.address import read_url
from jobspan.brokers.rabbitmq_api import ApiIsAbsent, ManagementApi
from jobspan.errors import BrokerError, UsageError
from support.answering import Answering, Reply
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


@pytest.mark.parametrize("said", ["<html>", {"error": "x"}, ["x"], None])
def test_another_program_at_its_address_is_one_line(said: object) -> None:
    with Answering(lambda _asked: Reply(said)) as other:
        api = ManagementApi(read_url("amqp://127.0.0.1"), other.url)
        with pytest.raises(BrokerError, match="answered, but not as RabbitMQ's management API does"):
            api.queues()
        api.close()

"""Broker addresses: as applications write them, and never a password in what is shown."""

from __future__ import annotations

import pytest

from jobspan.brokers.address import read_url
from jobspan.errors import UsageError


@pytest.mark.parametrize(
    ("url", "shown", "path"),
    [
        ("redis://", None, None),
        ("redis://h", "redis at h:6379", ""),
        ("rediss://:secret@h:7000/3?ssl_cert_reqs=CERT_NONE", "redis at h:7000", "3"),
        ("amqp://", "rabbitmq at localhost:5672", ""),
        ("amqp://u:p%40ss@h//", "rabbitmq at h:5672", "/"),
        ("amqps://u:p@h/%2Fshop", "rabbitmq at h:5671", "/shop"),
        ("pyamqp://h/v;pyamqp://other/v", "rabbitmq at h:5672", "v"),
        ("sqs://key:secret@", None, None),
        ("h:6379", None, None),
        ("redis://h:port", None, None),
    ],
)
def test_an_address_is_read_or_refused_without_its_password(url: str, shown: str | None, path: str | None) -> None:
    if shown is None:
        with pytest.raises(UsageError, match="expected redis://host") as refused:
            read_url(url)
        assert "secret" not in str(refused.value)
        return
    assert (str(read_url(url)), read_url(url).path) == (shown, path)


def test_user_and_password_are_decoded() -> None:
    address = read_url("amqp://u:p%40ss@h/v")
    assert (address.user, address.password) == ("u", "p@ss")

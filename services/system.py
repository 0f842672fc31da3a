"""The running system: worker and services as processes of their own, as they would be deployed."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Self

import httpx

from features.errors import ConfigurationError
from streaming.brokers.process import free_port

START_S = 120.0
STOP_S = 15.0
_PR_SET_PDEATHSIG = 1
_TAIL = 1500


class System:
    """Starts processes on loopback, waits until they are ready, and stops them together.

    ``ports`` names them: ``worker`` or the name of a service, with ``-2`` and so on behind it where there are several.
    """

    def __init__(self, environment: Mapping[str, str], logs: Path, ports: Mapping[str, int]) -> None:
        self.ports = {name: _usable(port) for name, port in ports.items()}
        self._logs = logs
        self._environment = os.environ | dict(environment)
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        try:
            for name in self.ports:
                self._start(name)
            deadline = monotonic() + START_S
            while not all(self._ready(name) for name in self.ports):
                self.check()
                if monotonic() > deadline:
                    raise ConfigurationError(
                        f"The services were not ready after {START_S:.0f} s.", remedy=f"See the logs in {self._logs}."
                    )
                sleep(0.1)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def url(self, name: str) -> str:
        """Base URL of one process."""
        return f"http://127.0.0.1:{self.ports[name]}"

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by name."""
        return {name: child.pid for name, child in self._children.items()}

    def check(self) -> None:
        """Raise `ConfigurationError` with the end of its log when a process has ended."""
        for name, child in self._children.items():
            if child.poll() is not None:
                tail = self._log(name).read_text(errors="replace")[-_TAIL:]
                raise ConfigurationError(
                    f"The {name} process ended with status {child.returncode}. Its last words:\n{tail}",
                    remedy=f"The whole log is {self._log(name)}; `ringfence doctor` may know more.",
                )

    def stop(self) -> None:
        """Ask every process to finish what it has in hand, and end those that do not."""
        for child in self._children.values():
            child.terminate()
        for child in self._children.values():
            try:
                child.wait(STOP_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def _start(self, name: str) -> None:
        kind = name.partition("-")[0]
        command = [sys.executable, "-m", "services.cli", *(["worker"] if kind == "worker" else ["serve", kind])]
        with self._log(name).open("ab") as log:
            self._children[name] = subprocess.Popen(  # noqa: S603 our own module
                command,
                env=self._environment | {f"RINGFENCE_{kind.upper()}_PORT": str(self.ports[name])},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=end_with_parent,  # noqa: PLW1509 one call that takes no lock
            )

    def _ready(self, name: str) -> bool:
        try:
            return httpx.get(f"{self.url(name)}/health/ready", timeout=1).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"


def end_with_parent() -> None:
    """Have the kernel end this child when its parent dies, and leave Ctrl-C to the parent (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _usable(port: int) -> int:
    """Return ``port`` if nobody listens there, another one otherwise."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return free_port()
    return port

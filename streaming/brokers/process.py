"""Brokers as child processes: free ports, starting, waiting until the broker answers, and ending with the parent."""

import atexit
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from features.errors import BrokerUnavailable, ConfigurationError
from streaming.brokers.reach import greet

_PR_SET_PDEATHSIG = 1
_LOG_TAIL_BYTES = 2000


@dataclass(frozen=True, slots=True)
class RunningBroker:
    """A broker that this process started. Leaving its ``with`` block, or this process's end, stops it."""

    bootstrap: str
    process: subprocess.Popen[bytes]
    log: Path
    grace_s: float

    def stop(self) -> None:
        """Ask the broker to end, wait ``grace_s`` seconds, then end it; once stopped, do nothing."""
        atexit.unregister(self.stop)
        if self.process.poll() is None and self.grace_s:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(self.grace_s)
        self.kill()

    def kill(self) -> None:
        """End the broker at once, as a crash would."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def __enter__(self) -> "RunningBroker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def free_port() -> int:
    """Return a loopback port that nobody listens on now; it may be taken before it is used."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def check_port_free(port: int) -> None:
    """Raise `ConfigurationError` when something listens on the loopback ``port`` already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigurationError(
                f"Port {port} on 127.0.0.1 cannot be used: {error.strerror}.",
                remedy="Choose another port, or none to get a free one.",
            ) from error


def start_broker(
    command: Sequence[str],
    *,
    port: int,
    directory: Path,
    name: str,
    timeout_s: float,
    grace_s: float,
    environment: Mapping[str, str] | None = None,
) -> RunningBroker:
    """Start ``command`` in ``directory`` and return when it speaks Kafka on 127.0.0.1:``port``.

    Its output goes to ``NAME.log`` there. On Linux the kernel ends it when the thread that called this ends, however
    that happens; elsewhere it ends when Python exits. Raises `BrokerUnavailable`, with the log's last lines, when it
    ends early or does not answer within ``timeout_s``.
    """
    log = directory / f"{name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 (a command that the launchers of this package put together)
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env={**os.environ, **(environment or {})},
            start_new_session=True,  # so that Ctrl-C reaches us first and the broker ends last
            preexec_fn=_end_with_parent(),  # noqa: PLW1509 (one system call, looked up before the fork)
        )
    broker = RunningBroker(f"127.0.0.1:{port}", process, log, grace_s)
    atexit.register(broker.stop)
    deadline = time.monotonic() + timeout_s
    while not _speaks_kafka(port):
        ended = process.poll()
        if ended is not None or time.monotonic() > deadline:
            broker.stop()
            reason = f"ended with exit status {ended}" if ended is not None else f"did not answer in {timeout_s:.0f} s"
            raise BrokerUnavailable(
                f"The {name} broker {reason}. Its log ends with: {tail(log)}", remedy=f"Read the whole log in {log}."
            )
        time.sleep(0.02)
    return broker


def tail(log: Path) -> str:
    """Return the last lines of a log."""
    return log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace").strip() or "(nothing)"


def _speaks_kafka(port: int) -> bool:
    """Whether an ApiVersions request gets its answer."""
    try:
        greet(("127.0.0.1", port), timeout_s=1)
    except OSError:
        return False
    return True


def _end_with_parent() -> Callable[[], None] | None:
    """Return what the child calls before it becomes the broker: ask Linux for a SIGTERM at our end."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # we ended before the request was made
            os._exit(1)

    return ask

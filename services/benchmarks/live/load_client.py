"""Starts the load process and speaks with it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Self, cast

import msgspec

from features.errors import ConfigurationError
from services.benchmarks.live.arrivals import Figures
from services.benchmarks.live.load import Command, Report, Setup
from services.system import end_with_parent
from streaming.brokers.clients import cheapest

_TAIL = 1500


class LoadProcess:
    """The load as a child process; use it as a context manager."""

    def __init__(
        self,
        bootstrap: str,
        payments: Path,
        run: str,
        *,
        transactions: str = "transactions",
        decisions: str = "decisions",
    ) -> None:
        setup = Setup(bootstrap, cheapest(), str(payments), run, transactions, decisions)
        self._errors = TemporaryFile()  # noqa: SIM115 closed on leaving
        self._process = subprocess.Popen(  # noqa: S603 our own module
            [sys.executable, "-m", "services.benchmarks.live.load", msgspec.json.encode(setup).decode()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            preexec_fn=end_with_parent,  # noqa: PLW1509 one call that takes no lock
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def __enter__(self) -> Self:
        self._hear("ready", lambda _: None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._errors.close()

    def run(self, command: Command, *, measuring: Callable[[], None], tell: Callable[[Report], None]) -> Figures:
        """Run ``command``; ``measuring`` is called when its warm-up is over, ``tell`` hears of its progress."""
        stdin = cast("IO[bytes]", self._process.stdin)
        stdin.write(msgspec.json.encode(command) + b"\n")
        stdin.flush()

        def hear(report: Report) -> None:
            measuring() if report.kind == "measuring" else tell(report)

        return cast("Figures", self._hear("figures", hear).figures)

    def _hear(self, last: str, hear: Callable[[Report], None]) -> Report:
        for line in cast("IO[bytes]", self._process.stdout):
            report = msgspec.json.decode(line, type=Report)
            if report.kind == last:
                return report
            hear(report)
        self._errors.seek(0)
        words = self._errors.read()[-_TAIL:].decode(errors="replace")
        raise ConfigurationError(f"The load process ended early. Its last words:\n{words}")

"""Starts the processes of a measurement and speaks with them."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Self, cast

import msgspec

from features.errors import ConfigurationError
from services.benchmarks.live.arrivals import Figures
from services.benchmarks.live.orders import Command, Report
from services.system import end_with_parent

_TAIL = 1500


class Child:
    """A process that runs ``module`` beside this one, started with ``setup``; entering it waits until it is ready."""

    def __init__(self, module: str, setup: msgspec.Struct, environment: Mapping[str, str]) -> None:
        self._module = module
        self._errors = TemporaryFile()  # noqa: SIM115 closed on leaving
        self._process = subprocess.Popen(  # noqa: S603 our own module
            [sys.executable, "-m", f"services.benchmarks.live.{module}", msgspec.json.encode(setup).decode()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=os.environ | dict(environment),
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
        with self._process:  # which closes its pipes and waits
            self._process.kill()
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
        raise ConfigurationError(f"The process {self._module} ended early. Its last words:\n{words}")

"""Worker processes that are started, struck and replaced."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from tests.integration.faults import worker_main
from tests.integration.faults.worker_main import Setup

PATIENCE_S = 180.0
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.integration.faults.preload"])


@dataclass(eq=False)
class Member:
    """One process; ``struck`` once somebody was told to kill it, which it is then expected to end of."""

    process: ForkServerProcess
    setup: Setup
    log: Path
    struck: bool = False

    def signal(self, number: int) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        self.struck = True
        with suppress(ProcessLookupError):  # it has just ended by itself
            self.signal(signal.SIGKILL)

    def is_stopped(self) -> bool:
        """Whether it is frozen (SIGSTOP)."""
        return Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"


class Fleet:
    """Every process that a test has started; `close` leaves none behind."""

    def __init__(self, setup: Setup, logs: Path) -> None:
        self._setup = setup
        self._logs = logs
        self.members: list[Member] = []
        self.killed = self._started = 0

    def start(self, target: Callable[..., None] = worker_main.run_worker, *arguments: Any, **changes: Any) -> Member:
        """Start a process whose setup differs from the others' by ``changes``."""
        self._started += 1
        log = self._logs / f"{target.__name__}-{self._started}.log"
        setup = replace(self._setup, **{"log": str(log), **changes})
        process = _context.Process(target=target, args=(setup, *arguments), daemon=True)
        process.start()
        member = Member(process, setup, log, struck=setup.fault is not None)
        self.members.append(member)
        return member

    def reap(self) -> list[Member]:
        """Forget the members that have been killed and return them; any other end is a failure."""
        ended = [member for member in self.members if member.process.exitcode is not None]
        for member in ended:
            code = member.process.exitcode
            assert (member.struck, code) == (True, -signal.SIGKILL), f"a worker ended with {code}: {self._tail(member)}"
            self.members.remove(member)
            self.killed += 1
        return ended

    def stop(self, member: Member) -> None:
        """Ask one to end, which it has to do well."""
        member.signal(signal.SIGTERM)
        member.process.join(PATIENCE_S)
        assert member.process.exitcode == 0, f"a worker ended with {member.process.exitcode}: {self._tail(member)}"
        self.members.remove(member)

    def wait(self, what: str, condition: Callable[[], Any], timeout_s: float = PATIENCE_S) -> None:
        """Return when ``condition`` holds; no member may end meanwhile unless it was to be killed."""
        deadline = monotonic() + timeout_s
        while not condition():
            self.reap()
            assert monotonic() < deadline, f"not within {timeout_s:.0f} s: {what}\n{self._what_they_do()}"
            sleep(0.05)

    def close(self) -> None:
        for member in self.members:
            if member.process.exitcode is None:
                member.process.kill()
            member.process.join(PATIENCE_S)
        self.members = []

    def _what_they_do(self) -> str:
        """The end of every member's log, with the stacks of its threads."""
        for member in self.members:
            if not member.is_stopped():
                member.signal(worker_main.TELL)
        sleep(1)
        return "\n".join(f"{member.setup.client}: {self._tail(member)}" for member in self.members)

    def _tail(self, member: Member) -> str:
        return member.log.read_bytes()[-6000:].decode(errors="replace") if member.log.is_file() else "(no log)"

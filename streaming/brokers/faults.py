"""Faults on order: what `MemoryBroker` uses to let a test fail or crash its caller at an exact point."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from features.errors import BrokerUnavailable

Operation = Literal["ensure_topics", "send", "flush", "poll", "commit", "lag"]


@dataclass(slots=True)
class _Fault:
    skip: int
    times: int
    after: bool
    error: BaseException


class Faults:
    """A queue of planned faults per operation; each is used up in the order it was planned."""

    def __init__(self) -> None:
        self._planned: dict[Operation, list[_Fault]] = {}

    def plan(
        self,
        operation: Operation,
        *,
        skip: int = 0,
        times: int = 1,
        after: bool = False,
        error: BaseException | None = None,
    ) -> None:
        """Make ``operation`` raise ``error`` (default `BrokerUnavailable`) the next ``times`` times.

        The first ``skip`` calls go through. With ``after`` the operation takes effect and then raises, as when the
        process dies, or the acknowledgement is lost, just behind the step.
        """
        chosen = error or BrokerUnavailable(f"The broker failed at {operation}, as it was told to.")
        self._planned.setdefault(operation, []).append(_Fault(skip, times, after, chosen))

    @contextmanager
    def around(self, operation: Operation) -> Iterator[None]:
        """Run the body of ``operation``, raising what is planned before or after it."""
        fault = self._next(operation)
        if fault and not fault.after:
            raise fault.error
        yield
        if fault:
            raise fault.error

    def _next(self, operation: Operation) -> _Fault | None:
        planned = self._planned.get(operation)
        if not planned:
            return None
        fault = planned[0]
        if fault.skip:
            fault.skip -= 1
            return None
        fault.times -= 1
        if not fault.times:
            planned.pop(0)
        return fault

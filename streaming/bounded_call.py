"""A question that must not hold up a payment: answered within its time, or not at all."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import structlog

log = structlog.get_logger(__name__)
T = TypeVar("T")


class BoundedCall:
    """Asks in a thread of its own. While an answer that was not waited for is still being made, nothing is asked.

    ``name`` is for the log, which tells the first failure of several in a row.
    """

    def __init__(self, name: str, timeout_s: float) -> None:
        self._name = name
        self._timeout_s = timeout_s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._late: Future[Any] | None = None
        self._failing = False

    def ask(self, function: Callable[..., T], *arguments: object) -> T | None:
        """Return what ``function`` does, None where it takes too long or fails."""
        if not (self._late is None or self._late.done()):
            return None
        call = self._thread.submit(function, *arguments)
        try:
            answer = call.result(self._timeout_s)
        except TimeoutError:
            self._late = call
            return None
        except Exception:  # whatever a lookup meets must not hold up a payment
            if not self._failing:
                log.exception("decisions go on without what cannot be told", asked=self._name)
            self._failing = True
            return None
        self._failing = False
        return answer

    def patiently(self, function: Callable[..., T], *arguments: object) -> T:
        """Return what ``function`` does in that thread, however long it takes; raise what it raises."""
        return self._thread.submit(function, *arguments).result()

    def close(self) -> None:
        """End the thread after the question in hand."""
        self._thread.shutdown(wait=True)

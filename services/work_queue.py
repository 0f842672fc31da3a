"""Where requests wait for their turn: one worker thread, so that the event loop stays free to answer health checks."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from services.problems import RETRY_AFTER_S, HttpProblem

LONGEST_QUEUE = 64  # at a few milliseconds each, whoever comes later could not be answered in time
MOST_TOGETHER = 32
_T = TypeVar("_T")
_Item = TypeVar("_Item")


class WorkQueue:
    """Runs calls one after the other in a thread of its own and refuses more than ``limit`` at once."""

    def __init__(self, limit: int = LONGEST_QUEUE) -> None:
        self._limit = limit
        self._inside = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="requests")

    async def run(self, function: Callable[..., _T], *args: object) -> _T:
        """Return what ``function`` returns; raises `HttpProblem` 503 while the queue is full."""
        if self._inside >= self._limit:
            raise _overloaded(self._limit)
        self._inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)
        finally:
            self._inside -= 1

    def close(self) -> None:
        """Let the running call end."""
        self._thread.shutdown(wait=True)


class Together(Generic[_Item, _T]):
    """Gathers what waits while the thread is busy and hands it on in one call, in order, `MOST_TOGETHER` at most.

    ``function`` returns an answer for each item, or the exception to raise for it. While nothing waits, a call has one
    item: nothing is ever held back for company.
    """

    def __init__(
        self,
        queue: WorkQueue,
        function: Callable[[Sequence[_Item]], Sequence[_T | Exception]],
        limit: int = LONGEST_QUEUE,
    ) -> None:
        self._queue = queue
        self._function = function
        self._limit = limit
        self._waiting: list[tuple[_Item, asyncio.Future[_T]]] = []
        self._task: asyncio.Task[None] | None = None

    async def ask(self, item: _Item) -> _T:
        """Return the answer to ``item``; raises `HttpProblem` 503 while too many wait."""
        if len(self._waiting) >= self._limit:
            raise _overloaded(self._limit)
        answer: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._empty())
        return await answer

    async def _empty(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
            answers: Sequence[_T | Exception]
            try:
                answers = await self._queue.run(self._function, [item for item, _ in batch])
            except Exception as error:  # whatever it is, it is for those who asked
                answers = [error] * len(batch)
            for (_, waiting), answer in zip(batch, answers, strict=True):
                if waiting.done():  # the caller has left
                    continue
                if isinstance(answer, Exception):
                    waiting.set_exception(answer)
                else:
                    waiting.set_result(answer)


def _overloaded(limit: int) -> HttpProblem:
    return HttpProblem(
        503,
        "overloaded",
        f"{limit} requests are waiting already.",
        remedy="Send the same request again in a moment, or add an instance of this service.",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )

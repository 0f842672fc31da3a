"""The queue in front of the worker thread: one at a time, and full means full."""

import asyncio
import threading

import pytest

from services.problems import HttpProblem
from services.work_queue import WorkQueue


def test_calls_run_one_at_a_time_in_one_other_thread():
    queue = WorkQueue()
    threads, inside, most = set(), 0, 0

    def call(n):
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        threads.add(threading.get_ident())
        inside -= 1
        return n

    async def all_calls():
        return await asyncio.gather(*(queue.run(call, n) for n in range(20)))

    assert asyncio.run(all_calls()) == list(range(20))
    queue.close()
    assert most == 1
    assert threads.isdisjoint({threading.get_ident()})
    assert len(threads) == 1


def test_a_full_queue_refuses_and_takes_again_when_there_is_room():
    queue = WorkQueue(limit=2)
    gate = threading.Event()

    async def crowd():
        waiting = [asyncio.create_task(queue.run(gate.wait, 10)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(HttpProblem) as refusal:
            await queue.run(int)
        gate.set()
        assert await asyncio.gather(*waiting) == [True, True]
        assert await queue.run(int) == 0
        return refusal.value

    problem = asyncio.run(crowd())
    queue.close()
    assert (problem.status, problem.code, problem.headers) == (503, "overloaded", {"Retry-After": "1"})


def test_errors_reach_the_caller_and_free_the_place():
    queue = WorkQueue(limit=1)

    def fail():
        raise KeyError("x")

    async def twice():
        for _ in range(2):
            with pytest.raises(KeyError):
                await queue.run(fail)

    asyncio.run(twice())
    queue.close()

"""The queue in front of the worker thread: one at a time, and full means full."""

import asyncio
import threading

import pytest

from services.problems import HttpProblem
from services.work_queue import MOST_TOGETHER, Together, WorkQueue


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


def test_what_waits_meanwhile_goes_together_and_in_order():
    queue, calls, gate = WorkQueue(), [], threading.Event()

    def double(items):
        calls.append(list(items))
        gate.wait(10)
        return [2 * item for item in items]

    async def all_at_once():
        together = Together(queue, double)
        first = asyncio.create_task(together.ask(0))
        while not calls:
            await asyncio.sleep(0.001)
        others = [asyncio.create_task(together.ask(n)) for n in range(1, MOST_TOGETHER + 3)]
        await asyncio.sleep(0)
        gate.set()
        return await asyncio.gather(first, *others)

    assert asyncio.run(all_at_once()) == [2 * n for n in range(MOST_TOGETHER + 3)]
    queue.close()
    assert calls == [[0], list(range(1, MOST_TOGETHER + 1)), [MOST_TOGETHER + 1, MOST_TOGETHER + 2]]


def test_each_gets_its_own_error_and_all_get_a_failure():
    queue = WorkQueue()

    def answer(items):
        if "all" in items:
            raise KeyError("all")
        return [ValueError(item) if item == "bad" else item for item in items]

    async def ask():
        together = Together(queue, answer)
        mixed = await asyncio.gather(*map(together.ask, ["a", "bad", "b"]), return_exceptions=True)
        failed = await asyncio.gather(*map(together.ask, ["all", "b"]), return_exceptions=True)
        return mixed, failed

    mixed, failed = asyncio.run(ask())
    queue.close()
    assert [mixed[0], type(mixed[1]), mixed[2]] == ["a", ValueError, "b"]
    assert list(map(type, failed)) == [KeyError, KeyError]


def test_a_caller_who_leaves_takes_no_answer_from_the_others():
    queue, gate, called = WorkQueue(), threading.Event(), threading.Event()

    def echo(items):
        called.set()
        gate.wait(10)
        return items

    async def leave():
        together = Together(queue, echo)
        gone, stays = asyncio.create_task(together.ask("gone")), asyncio.create_task(together.ask("stays"))
        while not called.is_set():
            await asyncio.sleep(0.001)
        gone.cancel()
        gate.set()
        return await stays

    assert asyncio.run(leave()) == "stays"
    queue.close()


def test_too_many_that_wait_are_refused():
    queue, gate = WorkQueue(), threading.Event()

    def hold(items):
        gate.wait(10)
        return items

    async def crowd():
        together = Together(queue, hold, limit=2)
        asked = [asyncio.create_task(together.ask("first"))]
        await asyncio.sleep(0.01)
        asked += [asyncio.create_task(together.ask(n)) for n in range(2)]
        await asyncio.sleep(0.01)
        with pytest.raises(HttpProblem) as refusal:
            await together.ask("too many")
        gate.set()
        await asyncio.gather(*asked)
        return refusal.value

    assert asyncio.run(crowd()).code == "overloaded"
    queue.close()

"""States are written while the worker goes on, and nothing says that they are durable before they are."""

from concurrent.futures import wait
from threading import Event, Timer
from time import sleep

import pytest

from features.errors import StoreUnavailable
from streaming import state_writer
from tests.unit.streaming.test_worker import PAYMENTS, Crash, World, payment


class Slow:
    """A store whose `replace` waits until it is let go, then raises ``error`` if there is one."""

    def __init__(self, store, error=None):
        self._store, self._error = store, error
        self.let_go, self.asked = Event(), Event()

    def __getattr__(self, name):
        return getattr(self._store, name)

    def replace(self, *arguments):
        self.asked.set()
        assert self.let_go.wait(10)
        if self._error is not None:
            raise self._error
        return self._store.replace(*arguments)


def slow_world(error=None, *, batch):
    """Return a world whose worker commits only when told to, and whose store waits; the store; the worker."""
    world = World(batch=batch, commit_interval_s=60.0, commit_at_last_s=60.0)
    store = Slow(world.store, error)
    return world, store, world.worker(store=store)


def test_a_step_ends_while_states_are_written_and_a_commit_waits_for_them():
    world, store, worker = slow_world(batch=1)
    world.send(*PAYMENTS[:2])
    worker.step()
    assert store.asked.wait(10)
    assert world.ledger.count() == 1
    assert not world.states()["card"]
    Timer(0.1, store.let_go.set).start()
    worker.step()
    worker.commit()
    assert [d.degraded for d in world.decisions()] == [(), ()]
    assert world.counted("state_conflicts") == 0
    assert len(world.states()["card"]) == len({payment.card_id for payment in PAYMENTS[:2]})


def test_a_checkpoint_waits_for_the_states_that_it_vouches_for():
    world, store, worker = slow_world(batch=3)
    world.send(*PAYMENTS[:3])
    worker.step()
    assert [found.checkpoint < found.last_seq for found in world.ledger.sources().values()] == [True]
    Timer(0.1, store.let_go.set).start()
    worker.commit()
    assert [found.checkpoint == found.last_seq for found in world.ledger.sources().values()] == [True]
    assert world.states()["card"]


@pytest.mark.parametrize("error", [StoreUnavailable("away"), Crash()])
def test_a_write_that_failed_leaves_the_states_behind(error):
    world, store, worker = slow_world(error, batch=3)
    store.let_go.set()
    world.send(*PAYMENTS[:3])
    worker.step()
    if isinstance(error, Crash):
        with pytest.raises(Crash):
            worker.commit()
    else:
        worker.commit()
    assert [found.checkpoint < found.last_seq for found in world.ledger.sources().values()] == [True]


def of_one_card(count):
    return [payment(n, card_id="card0", merchant_id="shop0", device_id="dev0") for n in range(count)]


def calm_outcome(*messages):
    calm = World(batch=1)
    calm.send(*messages)
    calm.drain()
    return calm.outcome()


def test_a_payment_counts_for_the_next_while_its_states_are_on_their_way():
    world, store, worker = slow_world(batch=1)
    world.send(*of_one_card(2))
    worker.step()
    assert store.asked.wait(10)
    store.read = lambda _: pytest.fail("read what is on its way")
    Timer(0.2, store.let_go.set).start()
    worker.step()
    worker.commit()
    assert world.outcome() == calm_outcome(*of_one_card(2))


def test_what_rests_on_a_write_that_failed_is_not_written_before_it():
    world, store, worker = slow_world(StoreUnavailable("away"), batch=1)
    world.send(*of_one_card(5))
    for _ in range(4):  # all but the first decided by what those before led to, whose write then fails
        worker.step()
    store.let_go.set()
    worker.commit()
    assert_nothing_written_then_caught_up(world, store, worker)


def test_what_is_decided_while_the_write_before_it_fails_is_not_written_either():
    world, store, worker = slow_world(StoreUnavailable("away"), batch=1)
    scoring = worker._scoring
    decide = scoring.decide
    world.send(*of_one_card(5))
    worker.step()

    def decide_while_it_fails(*arguments, **named):
        scored = decide(*arguments, **named)
        store.let_go.set()
        wait([worker._handling._writer._going_on])
        store._error = None
        return scored

    scoring.decide = decide_while_it_fails
    worker.step()
    scoring.decide = decide
    worker.commit()
    assert_nothing_written_then_caught_up(world, store, worker)


def assert_nothing_written_then_caught_up(world, store, worker):
    assert not world.states()["card"]
    assert [found.checkpoint < found.last_seq for found in world.ledger.sources().values()] == [True]
    store._error = None
    world.drain(worker)
    assert world.outcome() == calm_outcome(*of_one_card(5))


def test_nothing_rests_on_states_that_lack_a_payment_in_between():
    """The first one's states are on their way when the second one's cannot be read: the third has to know of both."""
    world, store, worker = slow_world(batch=1)
    world.send(*of_one_card(1), payment(50, card_id="card5"), *of_one_card(3)[1:])
    worker.step()
    assert store.asked.wait(10)
    store.read = lambda _: (_ for _ in ()).throw(StoreUnavailable("away"))
    Timer(0.2, store.let_go.set).start()
    worker.step()
    del store.read
    world.drain(worker)
    assert {d.transaction_id for d in world.decisions() if d.degraded} == {"t50"}
    calm = World(batch=1)
    calm.send(*of_one_card(1), payment(50, card_id="card5"), *of_one_card(3)[1:])
    calm.drain()
    assert world.states() == calm.states()


def test_what_another_worker_has_changed_is_read_again():
    world = World(batch=1, commit_interval_s=60.0, commit_at_last_s=60.0)
    store = Slow(world.store)
    store.let_go.set()
    worker = world.worker(store=store)
    asked = []
    store.read = lambda keys: asked.append(keys) or world.store.read(keys)
    scoring = worker._scoring
    write, changes = scoring.write, iter([1, 0, 0])

    def contended(*change):
        write(*change)
        sleep(0.05)
        return next(changes)

    scoring.write = contended
    world.send(*of_one_card(3))
    worker.step()
    worker.step()
    sleep(0.1)
    worker.step()
    worker.commit()
    # The second took the first one's states while they were written; then others turned out to have changed some.
    assert [bool(keys) for keys in asked] == [True, True]
    assert world.outcome() == calm_outcome(*of_one_card(3))


def test_what_comes_while_states_are_written_is_gathered_into_the_next_write():
    world, store, worker = slow_world(batch=1)
    changes = []
    scoring = worker._scoring
    write = scoring.write
    scoring.write = lambda *change: changes.append(change) or write(*change)
    payments = *of_one_card(5), payment(50, card_id="card5"), payment(51, card_id="card5")
    world.send(*payments)
    for _ in payments:
        worker.step()  # none of them waits for the store
    assert not world.states()["card"]
    store.let_go.set()
    worker.commit()
    assert [len(events) for _, _, events in changes] == [1, 6]
    assert set(changes[1][0]["card"]) == {"card0", "card5"}
    assert world.counted("state_conflicts") == 0
    assert [d.degraded for d in world.decisions()] == [()] * 7
    assert world.outcome() == calm_outcome(*payments)


def test_a_worker_waits_for_the_store_before_too_much_is_gathered(monkeypatch):
    monkeypatch.setattr(state_writer, "MOST", 2)
    world, store, worker = slow_world(batch=1)
    world.send(*of_one_card(5))
    for _ in range(3):
        worker.step()
    Timer(0.1, store.let_go.set).start()
    worker.step()
    assert store.let_go.is_set()
    worker.step()
    worker.commit()
    assert world.outcome() == calm_outcome(*of_one_card(5))

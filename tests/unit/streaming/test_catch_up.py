"""Whose states a store holds, and how one that was emptied is filled again."""

import struct
from time import sleep

import pytest

from features.errors import ConfigurationError, StoreEmptied, StoreUnavailable
from features.state_layout import H_TOTAL
from features.store import HISTORY_OF
from features.stores.memory import MemoryStore
from streaming import catch_up
from streaming.broker import LABELS, TRANSACTIONS
from streaming.ledgers.rows import ref_of
from tests.unit.streaming.test_worker import PAYMENTS, World, label, payment


class Emptiable(MemoryStore):
    """Loses everything when told, as a Redis without an append-only file does; then only a refill gets through."""

    def __init__(self):
        super().__init__()
        self.filling, self.taken = False, False

    def empty(self):
        self.__init__()
        self._lost = True

    def _check(self):
        if getattr(self, "_lost", False) and not self.filling:
            raise StoreEmptied("The states are gone.")

    def read(self, keys):
        self._check()
        return super().read(keys)

    def replace(self, states, read, as_of):
        self._check()
        return super().replace(states, read, as_of)

    def refill(self):
        self.filling = not self.taken
        return self.filling

    def claim(self, owner):
        super().claim(owner)
        self._lost = self.filling = False


def world_on(store):
    world = World()
    world.store = store
    return world


def calm_states(*messages):
    calm = World()
    calm.send(*messages)
    calm.drain()
    return calm.states()


def test_a_new_store_is_claimed_for_its_ledger():
    world = World()
    world.send(PAYMENTS[0])
    world.drain()
    assert world.store.owner() == world.ledger.identity()


def test_a_new_system_is_ready_before_its_first_payment():
    world = World()
    worker = world.worker(consumer=world.broker.consumer([TRANSACTIONS, LABELS], "worker"))
    worker.warm_up()
    assert world.store.owner() == world.ledger.identity()
    world.send(PAYMENTS[0])
    while worker.step():
        pass
    assert [decision.degraded for decision in world.decisions()] == [()]
    worker.close()


def test_a_store_of_another_ledger_is_refused():
    world = World()
    world.store.claim("another")
    world.send(PAYMENTS[0])
    with pytest.raises(ConfigurationError, match="states of another ledger"):
        world.drain()
    assert world.decisions() == []
    with pytest.raises(ConfigurationError, match="states of another ledger"):
        world.worker().warm_up()


def test_a_store_that_comes_back_empty_is_filled_from_the_ledger():
    world = world_on(Emptiable())
    sent = [*PAYMENTS[:20], label(3, minutes=15), *PAYMENTS[20:]]
    worker = world.worker()
    world.send(*sent[:21])
    world.drain(worker)
    world.store.empty()
    world.send(*sent[21:])
    world.drain(worker)
    assert world.states() == calm_states(*sent)
    assert world.store.owner() == world.ledger.identity()
    assert {d.degraded for d in world.decisions()} == {(), ("features",)}


def test_the_checkpoint_follows_a_refill_though_no_more_payments_come():
    world = world_on(Emptiable())
    worker = world.worker()
    world.send(*PAYMENTS[:5])
    world.drain(worker)
    world.store.empty()
    world.send(PAYMENTS[5])
    for _ in range(5):
        worker.step()
    assert worker.caught_up
    assert all(progress.checkpoint == progress.last_seq for progress in world.ledger.sources().values())


def test_while_another_worker_fills_the_store_decisions_go_on_without_history():
    world = world_on(Emptiable())
    world.send(*PAYMENTS[:10])
    world.drain()
    world.store.empty()
    world.store.taken = True
    worker = world.worker(consumer=world.broker.consumer([TRANSACTIONS, LABELS], "worker"))
    world.send(*PAYMENTS[10:20])
    while worker.step():
        pass
    assert not worker.caught_up
    new = {p.transaction_id for p in PAYMENTS[10:20]}
    assert {d.transaction_id for d in world.decisions() if d.degraded == ("features",)} == new
    world.store.taken = False
    assert worker.caught_up
    assert world.states() == calm_states(*PAYMENTS[:20])


def test_a_history_that_the_ledger_does_not_hold_is_waited_for():
    world = world_on(Emptiable())
    world.ledger.import_history([ref_of(payment(999))])
    world.store.claim(HISTORY_OF + world.ledger.identity())
    world.send(*PAYMENTS[:10])
    world.drain()
    world.store.empty()
    worker = world.worker(consumer=world.broker.consumer([TRANSACTIONS, LABELS], "worker"))
    assert not worker.caught_up
    assert not any(world.store._states.values())
    world.store.claim(HISTORY_OF + world.ledger.identity())  # the back-fill was run again
    assert worker.caught_up
    assert world.states() == calm_states(*PAYMENTS[:10])


def test_catching_up_in_a_thread_lets_decisions_go_on(monkeypatch):
    monkeypatch.setattr(catch_up, "RETRY_S", 0.01)

    class Away(MemoryStore):
        away = False

        def read(self, keys):
            if self.away:
                raise StoreUnavailable("away")
            return super().read(keys)

    world = world_on(Away())
    worker = world.worker(consumer=world.broker.consumer([TRANSACTIONS, LABELS], "worker"))
    worker.warm_up()
    world.store.away = True
    world.send(*PAYMENTS[:20])
    while worker.step():
        pass
    assert len(world.decisions()) == 20
    assert not worker.caught_up
    world.store.away = False
    while not worker.caught_up:
        sleep(0.001)
    assert world.states() == calm_states(*PAYMENTS[:20])
    worker.close()


def applied(world):
    """How many payments each state has taken in."""
    return {
        (entity, key): struct.unpack_from("<q", state, 8 * (1 + H_TOTAL))[0]
        for entity, found in world.states().items()
        for key, state in found.items()
    }


def test_a_load_that_leaves_the_thread_no_time_is_caught_up_with_in_passing(monkeypatch):
    """As when a store hiccups under full load: each micro-batch folds a little of what is missing, of each source."""
    monkeypatch.setattr(catch_up, "NEAR", 10)
    monkeypatch.setattr(catch_up, "IN_PASSING", 14)
    many = [payment(n) for n in range(150)]
    world, calm = World(partitions=3), World(partitions=3)
    for each in (world, calm):
        each.drain()  # takes possession of the store
        each.send(*many)
    calm.drain()
    worker = world.worker(consumer=world.broker.consumer([TRANSACTIONS, LABELS], "worker"))
    worker.warm_up()
    monkeypatch.setattr(worker._handling._states, "_advanced", lambda: sleep(0.01))  # the thread gets nowhere
    with monkeypatch.context() as hiccup:
        hiccup.setattr(worker._handling._states, "ask", lambda _: False)
        for _ in range(5):
            worker.step()
    while worker.step():  # seven payments more each time, and fourteen folded
        pass
    assert worker.caught_up
    assert any(d.degraded for d in world.decisions())
    assert not world.decisions()[-1].degraded
    assert applied(world) == applied(calm)  # no more: partitions were folded in another order
    worker.close()

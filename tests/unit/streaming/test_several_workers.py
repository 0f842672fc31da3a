"""Several workers in one group, in memory: crashes, zombies and take-overs at random, against one calm worker.

Cards belong to one partition, so their features must be those of the calm worker to the bit. Shops and devices are
shared, and which of two workers folds first is chance; what they count in the end is not.
"""

import random
from datetime import timedelta

import pytest

from features.engine import FeatureEngine
from features.errors import BrokerUnavailable, LedgerUnavailable
from features.events import TransactionEvent
from streaming.broker import DEAD_LETTER, DECISIONS, LABELS, TRANSACTIONS
from tests.unit.streaming.test_worker import START, Crash, Tripwire, World, label, payment

PAYMENTS = [payment(n) for n in range(120)]
LABELLED = [label(n, minutes=n + 5) for n in range(0, 100, 9)]
ENGINE = FeatureEngine()
STEPS = [
    ("ledger", "commit", False),
    ("ledger", "commit", True),
    ("store", "replace", False),
    ("store", "replace", True),
    ("producer", "flush", False),
    ("producer", "flush", True),
    ("ledger", "save_checkpoints", False),
    ("consumer", "commit", False),
    ("consumer", "commit", True),
]


class Group(World):
    """A world with four partitions."""

    def __init__(self, partitions=4):
        super().__init__()
        self.broker.ensure_topics({})
        self.broker = type(self.broker)()
        self.broker.ensure_topics({TRANSACTIONS: partitions, DECISIONS: 2, LABELS: partitions, DEAD_LETTER: 1})
        self.consumers = {}

    def join(self, tripwire=None):
        consumer = self.broker.consumer([TRANSACTIONS, LABELS], "worker")
        parts = {"consumer": consumer, "producer": self.broker.producer(), "ledger": self.ledger, "store": self.store}
        if tripwire:
            part, method, after, nth = tripwire
            parts[part] = Tripwire(parts[part], method, nth=nth, after=after)
        worker = self.worker(**parts)
        self.consumers[worker] = consumer
        return worker

    def probe(self):
        """What every shared state would tell the next payment, and each card's."""
        at = START + timedelta(days=2)
        probes = [
            TransactionEvent(
                0, payment(900, card_id=f"card{c}", merchant_id=f"shop{c % 4}", device_id=f"dev{c % 3}", event_time=at)
            )
            for c in range(6)
        ]
        return ENGINE.fold(probes, self.store.read(ENGINE.keys(probes))).features

    def finish(self):
        for worker in list(self.consumers):
            self.consumers.pop(worker).close()
        self.drain()


def once_each(world, sent):
    decided, _ = world.outcome()  # asserts that nothing was decided twice differently
    assert set(decided) == {each.transaction_id for each in sent}
    return decided


@pytest.fixture(scope="module")
def calm():
    world = Group(partitions=1)
    world.send(*PAYMENTS)
    world.drain()
    world.send(*LABELLED, payment(200))
    world.drain()
    return once_each(world, [*PAYMENTS, payment(200)]), world.probe()


def own_features(decision):
    return {name: value for name, value in decision.features.items() if name.startswith("card_")}


@pytest.mark.parametrize("seed", range(12))
def test_workers_that_come_go_crash_and_wake_again_change_nothing(seed, calm):
    decided, features = calm
    chosen = random.Random(seed)
    world = Group()
    world.send(*PAYMENTS)
    alive, zombies = [world.join()], []
    for _ in range(60):
        if len(alive) < 3 and chosen.random() < 0.4:
            trip = (*chosen.choice(STEPS), chosen.randrange(1, 4)) if chosen.random() < 0.7 else None
            alive.append(world.join(trip))
        if alive:
            worker = chosen.choice(alive)
            try:
                worker.step()
            except Crash:  # killed, or stopped for so long that the group goes on without it
                alive.remove(worker)
                world.consumers.pop(worker).crash()
                if chosen.random() < 0.5:
                    zombies.append(worker)
        if zombies and chosen.random() < 0.3:
            zombie = zombies.pop()
            try:
                while zombie.step():
                    pass
            except (BrokerUnavailable, LedgerUnavailable):
                pass  # it has finished what it had in hand; the group is closed to it
    world.finish()
    world.send(*LABELLED, payment(200))
    world.drain()
    found = once_each(world, [*PAYMENTS, payment(200)])
    assert world.probe().tobytes() == features.tobytes()
    for key in decided:
        if not found[key].degraded:
            assert own_features(found[key]) == own_features(decided[key])


def test_a_zombie_is_refused_and_finds_the_decisions_of_its_successor():
    world, alone = Group(partitions=1), Group(partitions=1)
    alone.send(*PAYMENTS[:7])
    alone.drain()
    world.send(*PAYMENTS[:7])
    frozen = world.join(("ledger", "commit", False, 1))
    with pytest.raises(Crash):
        frozen.step()
    world.consumers[frozen].crash()  # its session is over
    world.drain()
    before = world.states()
    with pytest.raises(BrokerUnavailable):
        frozen.step()  # it finishes what it had in hand, and cannot commit it
    assert world.states() == before == alone.states()
    assert len(world.broker.records(DECISIONS)) == 14  # each twice, and equal: once_each compares them
    once_each(world, PAYMENTS[:7])


def test_a_worker_without_partitions_has_joined_and_waits():
    world = Group(partitions=1)
    workers = [world.join(), world.join()]
    for worker in workers * 2:
        worker.step()
    assert all(worker.has_joined for worker in workers)
    assert not all(world.consumers[worker].held() for worker in workers)


def test_labels_of_a_worker_that_holds_no_payments_count_by_the_clock():
    world = Group(partitions=1)
    world.send(*PAYMENTS[:3])
    world.drain()
    consumer = world.broker.consumer([LABELS], "labels only")
    worker = world.worker(consumer=consumer)
    world.send(label(1, minutes=1))
    while worker.step():
        pass
    assert not world.ledger.pending_labels([0])
    consumer.close()


def test_a_ledger_that_is_away_when_partitions_are_dealt_is_asked_again():
    world = Group(partitions=1)
    world.send(*PAYMENTS[:3], label(1, minutes=60))
    world.drain()
    assert world.ledger.pending_labels([0])
    consumer = world.broker.consumer([LABELS], "labels only")
    away = Tripwire(world.ledger, "sources", error=LedgerUnavailable("away"))
    worker = world.worker(consumer=consumer, ledger=away)
    assert consumer.poll(0, 10)  # the label is known: there is nothing more
    with pytest.raises(LedgerUnavailable):
        worker.step()
    worker.step()
    assert not world.ledger.pending_labels([0])
    consumer.close()

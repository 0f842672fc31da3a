"""The worker against its in-memory twins: every gap between two steps is crashed into, every outage ridden out.

The oracle is a worker that nothing ever happens to: after any accident, decisions (once each) and feature states must
be the same, byte for byte.
"""

import dataclasses
import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from features.codec import encode_label, encode_transaction
from features.engine import FeatureEngine
from features.errors import BrokerUnavailable, LedgerUnavailable, StoreUnavailable
from features.label import Label
from features.stores.memory import MemoryStore
from features.transaction import Transaction
from models.decision import Decision
from monitoring.metrics import Metrics
from streaming.broker import DEAD_LETTER, DECISIONS, LABELS, TRANSACTIONS
from streaming.brokers.memory import MemoryBroker
from streaming.direct import DirectScoring
from streaming.handling import WorkerLimits
from streaming.ledgers.memory import MemoryLedger
from streaming.scoring import Scoring
from streaming.worker import Worker
from tests.fakes import FakeBundle, fake_policy

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
NOW = START + timedelta(days=30)
LIMITS = WorkerLimits(batch=7, wait_s=0, commit_interval_s=0, commit_at_last_s=0)
ENGINE = FeatureEngine()


class Crash(BaseException):
    """The process dies here."""


class Tripwire:
    """Passes everything on to ``target``; the ``nth`` call of ``method`` raises ``error`` before or after it."""

    def __init__(self, target, method, *, nth=1, after=False, error=None, times=1):
        self._target, self._method, self._after = target, method, after
        self._calls, self._nth, self._times = 0, nth, times
        self._error = error or Crash()

    def __getattr__(self, name):
        attribute = getattr(self._target, name)
        if name != self._method:
            return attribute

        def call(*args, **kwargs):
            self._calls += 1
            hit = self._nth <= self._calls < self._nth + self._times
            if hit and not self._after:
                raise self._error
            result = attribute(*args, **kwargs)
            if hit:
                raise self._error
            return result

        return call


class World:
    """A broker, a ledger and a store that outlive their workers."""

    def __init__(self, *, partitions=1, **limits):
        self.limits = dataclasses.replace(LIMITS, **limits)
        self.broker, self.ledger, self.store = MemoryBroker(), MemoryLedger(), MemoryStore()
        self.broker.ensure_topics({TRANSACTIONS: partitions, DECISIONS: 2, LABELS: 1, DEAD_LETTER: 1})
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)

    def counted(self, name, **labels):
        return self.registry.get_sample_value(f"fraud_{name}_total", labels) or 0

    def scoring(self, store=None):
        # Time enough on a busy machine: a read that runs out of it is decided without history, as in an outage.
        return Scoring(
            ENGINE, store or self.store, FakeBundle(), fake_policy(), store_timeout_s=10.0, clock=lambda: NOW
        )

    def worker(self, *, consumer=None, producer=None, ledger=None, store=None):
        producers = iter([producer] if producer else [])
        return Worker(
            open_consumer=lambda _: consumer or self.broker.consumer([TRANSACTIONS, LABELS], "worker"),
            open_producer=lambda: next(producers, None) or self.broker.producer(),
            ledger=ledger or self.ledger,
            scoring=self.scoring(store),
            metrics=self.metrics,
            limits=self.limits,
            clock=lambda: NOW,
        )

    def send(self, *messages):
        producer = self.broker.producer()
        for message in messages:
            if isinstance(message, Transaction):
                producer.send(TRANSACTIONS, encode_transaction(message), key=message.card_id.encode())
            elif isinstance(message, Label):
                producer.send(LABELS, encode_label(message))
            else:
                producer.send(TRANSACTIONS, message)
        producer.flush()

    def drain(self, worker=None):
        """Work until nothing is left; without a worker given, with one of its own that leaves the group afterwards."""
        consumer = self.broker.consumer([TRANSACTIONS, LABELS], "worker")
        worker = worker or self.worker(consumer=consumer)
        while worker.step():
            pass
        worker.commit()
        consumer.close()
        assert worker.caught_up

    def decisions(self):
        return [msgspec.json.decode(r.value, type=Decision) for r in self.broker.records(DECISIONS)]

    def outcome(self):
        """What must not depend on accidents: each transaction's decision, and every state's content."""
        decided = {}
        for d in self.decisions():
            key = d.transaction_id
            plain = msgspec.structs.replace(d, stage_ms={})
            assert decided.setdefault(key, plain) == plain, "a transaction got two different decisions"
        return decided, self.states()

    def states(self):
        return self.store.read(
            {
                "card": [f"card{n}" for n in range(6)],
                "merchant": [f"shop{n}" for n in range(4)],
                "device": [f"dev{n}" for n in range(3)],
            }
        )


def payment(n, **changes):
    chosen = random.Random(n)
    fields = {
        "transaction_id": f"t{n}",
        "event_time": START + timedelta(minutes=n),
        "card_id": f"card{chosen.randrange(6)}",
        "merchant_id": f"shop{chosen.randrange(4)}",
        "amount": float(chosen.randrange(1, 300)),
        "currency": "EUR",
        "device_id": f"dev{chosen.randrange(3)}" if n % 2 else None,
    }
    return Transaction(**(fields | changes))


def label(n, minutes, is_fraud=True):
    return Label(
        transaction_id=f"t{n}", is_fraud=is_fraud, source="chargeback", label_time=START + timedelta(minutes=minutes)
    )


PAYMENTS = [payment(n) for n in range(40)]
asking_or_not = pytest.mark.parametrize("ask_first", [0, 50])


@pytest.fixture(scope="module")
def calm():
    world = World()
    world.send(*PAYMENTS)
    world.drain()
    return world.outcome()


def test_every_payment_gets_one_decision(calm):
    decided, _ = calm
    assert set(decided) == {p.transaction_id for p in PAYMENTS}


GAPS = {
    "before the ledger": ("ledger", "commit", False),
    "after the ledger, before publishing": ("ledger", "commit", True),
    "while publishing": ("producer", "send", True),
    "before the states are written": ("store", "replace", False),
    "after the states are written": ("store", "replace", True),
    "before the flush": ("producer", "flush", False),
    "after the flush": ("producer", "flush", True),
    "before the checkpoint": ("ledger", "save_checkpoints", False),
    "between checkpoint and offsets": ("consumer", "commit", False),
    "after the offsets": ("consumer", "commit", True),
}


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("gap", GAPS)
def test_a_crash_in_any_gap_changes_nothing(gap, nth, calm):
    part, method, after = GAPS[gap]
    world = World()
    world.send(*PAYMENTS)
    whole = {
        "consumer": world.broker.consumer([TRANSACTIONS, LABELS], "worker"),
        "producer": world.broker.producer(),
        "ledger": world.ledger,
        "store": world.store,
    }
    doomed = world.worker(**(whole | {part: Tripwire(whole[part], method, nth=nth, after=after)}))
    with pytest.raises(Crash):
        world.drain(doomed)
    whole["consumer"].close()
    world.drain()
    assert world.outcome() == calm


@asking_or_not
def test_crashes_at_random_again_and_again(ask_first, calm):
    for seed in range(25):
        chosen = random.Random(seed)
        world = World(ask_first=ask_first)
        world.send(*PAYMENTS)
        for _ in range(6):
            part, method, after = GAPS[chosen.choice(list(GAPS))]
            consumer = world.broker.consumer([TRANSACTIONS, LABELS], "worker")
            whole = {"consumer": consumer, "producer": world.broker.producer(), "ledger": world.ledger}
            whole["store"] = world.store
            wire = Tripwire(whole[part], method, nth=chosen.randrange(1, 4), after=after)
            try:
                world.drain(world.worker(**(whole | {part: wire})))
            except Crash:
                consumer.close()
            else:
                consumer.close()
        world.drain()
        decided, states = world.outcome()
        assert decided == calm[0]
        assert states == calm[1]


@pytest.mark.parametrize(
    ("part", "method", "error"),
    [
        ("ledger", "commit", LedgerUnavailable("away")),
        ("ledger", "find", LedgerUnavailable("away")),
        ("producer", "flush", BrokerUnavailable("away")),
        ("consumer", "commit", BrokerUnavailable("away")),
    ],
)
def test_an_outage_holds_the_worker_up_and_loses_nothing(part, method, error, calm):
    world = World()
    world.send(*PAYMENTS)
    whole = {
        "consumer": world.broker.consumer([TRANSACTIONS, LABELS], "worker"),
        "producer": world.broker.producer(),
        "ledger": world.ledger,
    }
    worker = world.worker(**(whole | {part: Tripwire(whole[part], method, nth=2, times=3, error=error)}))
    failures = 0
    for _ in range(40):
        try:
            worker.step()
        except type(error):
            failures += 1
    worker.commit()
    assert failures == (1 if part == "producer" else 3)  # a producer whose flush failed is replaced
    assert world.outcome() == calm


def test_without_the_store_payments_are_decided_at_once_and_never_approved_unseen():
    world = World()
    away = Tripwire(world.store, "read", nth=2, times=4, error=StoreUnavailable("away"))
    worker = world.worker(store=away)
    world.send(*PAYMENTS)
    while worker.step():
        pass
    decided = world.decisions()
    degraded = [d for d in decided if d.degraded]
    assert len(decided) == len(PAYMENTS)
    assert degraded
    assert all(d.degraded == ("features",) and d.decision != "approve" for d in degraded)
    # Once the store answers, states are as if it had never been away.
    worker.step()
    calm = World()
    calm.send(*PAYMENTS)
    calm.drain()
    assert world.states() == calm.states()


def test_an_unusable_state_costs_a_review_and_is_counted_once():
    world = World()
    world.send(PAYMENTS[0])
    world.drain()
    card = PAYMENTS[0].card_id
    world.store.write({"card": {card: b"garbage"}}, NOW)
    hit, after = payment(50, card_id=card, amount=1.0), payment(51, card_id=card, amount=1.0)
    world.send(hit, after)
    for message in (hit, after):
        world.send(message)  # delivered again: answered as before, and not counted again
    world.drain()
    found = {d.transaction_id: d for d in world.decisions()}
    assert (found["t50"].decision, found["t50"].degraded) == ("review", ("features",))
    assert world.counted("feature_state_errors", entity="card", kind="corrupt") == 1
    world.send(payment(52, card_id=card, amount=1.0))
    world.drain()
    assert world.decisions()[-1].features["card_count_24h"] == 2  # the state began anew
    assert not world.decisions()[-1].degraded


def test_an_unusable_state_that_a_label_meets_is_counted():
    world = World()
    world.send(payment(0, card_id="card0", merchant_id="shop0"), label(0, 5))
    world.drain()
    world.store.write({"merchant": {"shop0": b"garbage"}}, NOW)
    world.send(payment(10, card_id="card1", merchant_id="shop1"))  # the label is due with it
    world.drain()
    assert world.counted("feature_state_errors", entity="merchant", kind="corrupt") == 1
    assert not world.decisions()[-1].degraded  # it has nothing to do with that shop


def test_an_unusable_state_that_is_met_while_catching_up_is_counted():
    world = World()
    world.send(PAYMENTS[0])
    worker = world.worker(store=Tripwire(world.store, "replace", error=StoreUnavailable("away")))
    worker.step()
    world.store.write({"card": {PAYMENTS[0].card_id: b"garbage"}}, NOW)
    worker.step()
    assert worker.caught_up
    assert world.counted("feature_state_errors", entity="card", kind="corrupt") == 1


def test_what_rest_has_counted_the_worker_does_not_count_again():
    world = World()
    rest = World()
    late = payment(0, event_time=START - timedelta(days=9))
    world.send(payment(1, card_id=late.card_id))
    world.drain()
    before = {entity: world.counted("cold_entities", entity=entity) for entity in ("card", "merchant", "device")}
    assert before["card"] == 1
    DirectScoring(world.scoring(), world.ledger, metrics=rest.metrics).score([late])
    assert rest.counted("late_events") == 1
    assert rest.counted("missing_fields", field="ip") == 1
    missing = world.counted("missing_fields", field="ip")
    world.send(late)
    world.drain()
    assert world.counted("late_events") == 0
    assert world.counted("missing_fields", field="ip") == missing
    assert {entity: world.counted("cold_entities", entity=entity) for entity in before} == before


def test_a_failed_write_is_made_up_for(calm):
    world = World()
    world.send(*PAYMENTS)
    worker = world.worker(store=Tripwire(world.store, "replace", nth=2, error=StoreUnavailable("away")))
    world.drain(worker)
    assert world.outcome() == calm


def test_the_ledger_is_asked_only_while_it_knows_what_comes(calm):
    world = World(ask_first=2)

    class Counting(Tripwire):
        asked = 0

        def find(self, ids):
            Counting.asked += 1
            return world.ledger.find(ids)

    worker = world.worker(ledger=Counting(world.ledger, "none"))
    world.send(*PAYMENTS)  # six micro-batches
    world.drain(worker)
    assert Counting.asked == 2
    world.send(PAYMENTS[3])  # the ledger refuses it, and tells of it and of the next two micro-batches when asked
    world.drain(worker)
    assert Counting.asked == 4  # to find that it is known, and to publish its decision again
    assert Counter(d.transaction_id for d in world.decisions())["t3"] == 2
    world.send(*(payment(n) for n in range(50, 90)))
    world.drain(worker)
    assert Counting.asked == 6
    assert {d.transaction_id for d in world.decisions()} > {"t0", "t89"}


def test_what_the_broker_did_not_acknowledge_is_published_again():
    world = World(commit_interval_s=60.0, commit_at_last_s=60.0)
    producer = Tripwire(Tripwire(world.broker.producer(), "flush", error=BrokerUnavailable("away")), "close")
    producer.close = lambda: None  # what it held is gone
    worker = world.worker(producer=producer)
    world.send(*PAYMENTS[:21])
    for _ in range(3):
        worker.step()
    assert world.ledger.count() == 21
    with pytest.raises(BrokerUnavailable):
        worker.commit()
    assert world.decisions() == []
    world.send(*PAYMENTS[21:])
    world.drain(worker)
    assert Counter(d.transaction_id for d in world.decisions()) == dict.fromkeys(
        (p.transaction_id for p in PAYMENTS), 1
    )


@asking_or_not
def test_a_duplicate_gets_the_original_decision_and_counts_once(ask_first):
    world, once = World(ask_first=ask_first), World()
    world.send(PAYMENTS[0], PAYMENTS[1], PAYMENTS[0])
    world.drain()
    world.send(PAYMENTS[1])
    world.drain()
    once.send(PAYMENTS[0], PAYMENTS[1])
    once.drain()
    assert Counter(d.transaction_id for d in world.decisions()) == {"t0": 2, "t1": 2}
    assert world.outcome() == once.outcome()


@asking_or_not
def test_the_same_id_with_other_content_is_set_aside(ask_first):
    world = World(ask_first=ask_first)
    changed = msgspec.structs.replace(PAYMENTS[0], amount=1e6)
    world.send(PAYMENTS[0], changed)
    world.drain()
    (letter,) = world.broker.records(DEAD_LETTER)
    assert letter.value == encode_transaction(changed)
    assert [d.transaction_id for d in world.decisions()] == ["t0"]


@pytest.mark.parametrize("raw", [b"", b"{", b"\x00\xff", b'{"transaction_id":"x"}', b"x" * 1_000_000])
def test_poison_goes_to_the_dead_letter_queue_with_its_bytes(raw):
    world = World()
    world.send(PAYMENTS[0], raw, PAYMENTS[1])
    world.drain()
    assert [r.value for r in world.broker.records(DEAD_LETTER)] == [raw]
    assert {d.transaction_id for d in world.decisions()} == {"t0", "t1"}


@asking_or_not
def test_a_payment_decided_over_rest_is_folded_once_and_published(ask_first):
    world, oracle = World(ask_first=ask_first), World()
    oracle.send(PAYMENTS[0], PAYMENTS[6])
    oracle.drain()
    (answered,) = DirectScoring(world.scoring(), world.ledger).score([PAYMENTS[0]])
    world.send(PAYMENTS[0], PAYMENTS[6], PAYMENTS[0])
    world.drain()
    assert [d for d in world.decisions() if d.transaction_id == "t0"] == [answered, answered]
    assert world.states() == oracle.states()


@asking_or_not
def test_only_a_payment_that_nobody_decided_can_be_too_early(ask_first):
    world = World(ask_first=ask_first)
    decided, unknown = (payment(n, event_time=NOW + timedelta(hours=1)) for n in (0, 1))
    (answered,) = DirectScoring(world.scoring(), world.ledger).score([decided])  # its clock is ahead of the worker's
    world.send(decided, unknown)
    world.drain()
    assert world.decisions() == [answered]
    assert [r.value for r in world.broker.records(DEAD_LETTER)] == [encode_transaction(unknown)]
    assert world.counted("dead_letters", code="future_time") == 1


def test_rest_deciding_first_at_the_last_moment_wins():
    world = World()

    class Meanwhile:
        """REST records the same payment between the worker's look and its commit."""

        def __init__(self, ledger):
            self.ledger, self.answered = ledger, None

        def __getattr__(self, name):
            return getattr(self.ledger, name)

        def commit(self, batch):
            if self.answered is None:
                (self.answered,) = DirectScoring(world.scoring(), self.ledger).score([PAYMENTS[0]])
            self.ledger.commit(batch)

    ledger = Meanwhile(world.ledger)
    world.send(PAYMENTS[0])
    world.drain(world.worker(ledger=ledger))
    assert world.decisions() == [ledger.answered]


def features_of(world, key):
    (found,) = {msgspec.json.encode(d.features) for d in world.decisions() if d.transaction_id == key}
    return found


def test_a_label_counts_from_its_own_time_on_however_early_it_is_sent():
    early, late, never = World(), World(), World()
    probes = [payment(100, card_id="c", merchant_id="shop", event_time=START + timedelta(minutes=m)) for m in (10, 90)]
    probes = [msgspec.structs.replace(p, transaction_id=f"probe{i}") for i, p in enumerate(probes)]
    first = payment(0, card_id="c", merchant_id="shop")
    known = label(0, minutes=60)
    for world in (early, late, never):
        world.send(first)
        world.drain()
    early.send(known)
    early.drain()
    for world in (early, late, never):
        world.send(probes[0])
        world.drain()
    late.send(known)
    late.drain()
    for world in (early, late, never):
        world.send(probes[1])
        world.drain()
    assert features_of(early, "probe0") == features_of(never, "probe0")
    assert features_of(early, "probe1") == features_of(late, "probe1") != features_of(never, "probe1")


def test_labels_wait_through_a_restart_and_count_once():
    world, oracle = World(), World()
    for each in (world, oracle):
        each.send(*PAYMENTS[:10])
        each.drain()
    for each, times in ((world, 3), (oracle, 1)):
        each.send(*[label(3, minutes=15)] * times)
        each.drain()
    world.send(label(3, minutes=15))
    for each in (world, oracle):
        each.drain()
        each.send(*PAYMENTS[10:])
        each.drain()
    assert world.outcome() == oracle.outcome()


def test_a_label_of_an_unknown_transaction_is_set_aside():
    world = World()
    world.send(label(77, minutes=1))
    world.drain()
    assert len(world.broker.records(DEAD_LETTER)) == 1


def test_a_label_that_contradicts_itself_is_set_aside_and_a_later_one_counts():
    world = World()
    world.send(*PAYMENTS[:5])
    world.drain()
    world.send(label(3, 10), label(3, 10, is_fraud=False), label(3, 10), label(3, 11, is_fraud=False))
    world.drain()
    world.send(PAYMENTS[20])
    world.drain()
    assert len(world.broker.records(DEAD_LETTER)) == 1
    assert [known.is_fraud for known in world.ledger.labels(["t3"])["t3"].labels] == [True, False]
    assert not world.ledger.pending_labels([0])

"""A Kafka, a Redis and a ledger with workers on them, a producer that keeps them busy, and the final reckoning."""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from time import sleep

import msgspec
from confluent_kafka import Consumer, KafkaException, TopicPartition

from features.errors import BrokerUnavailable, LedgerUnavailable
from features.label import Label
from features.stores.feast_store import open_feast
from features.transaction import Transaction
from models.decision import Decision
from streaming.broker import DEAD_LETTER, DECISIONS, LABELS, TRANSACTIONS, Position
from streaming.brokers.confluent import ConfluentBroker
from streaming.dead_letter import read_dead_letter
from streaming.ledgers.sql import open_ledger
from tests.integration.faults.fleet import Fleet
from tests.integration.faults.oracle import Oracle, own_features, probe
from tests.integration.faults.stream import START, Habits, Stream, as_message, label, payment
from tests.integration.faults.worker_main import Setup
from tests.integration.redis_server import RedisServer

PARTITIONS = {TRANSACTIONS: 6, LABELS: 2}
CONSUMED = [TopicPartition(topic, number) for topic, count in PARTITIONS.items() for number in range(count)]
BACKLOG = 300  # payments that are always waiting while there is load
AFTERWARDS = START + timedelta(days=1)
Raw = tuple[str, bytes, bytes | None]


class World:
    """One test's servers and processes. Leaving its ``with`` block ends the processes."""

    def __init__(self, redis: RedisServer, setup: Setup, logs: Path) -> None:
        self.redis = redis
        self.setup = setup
        self.broker = ConfluentBroker(setup.bootstrap, timeout_s=10)
        self.broker.ensure_topics({**PARTITIONS, DECISIONS: 2, DEAD_LETTER: 1})
        self.fleet = Fleet(setup, logs)
        self.ledger = open_ledger(setup.ledger_url)
        self.offsets = Offsets(setup.bootstrap, setup.group)
        self.stream = Stream()
        self.labels: list[Label] = []
        self.last: list[Transaction] = []

    def __enter__(self) -> "World":
        self.offsets.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.fleet.close()
        self.offsets.close()
        self.ledger.close()

    def send(self, messages: Sequence[Raw]) -> None:
        """Send in order, all over again until the broker has acknowledged: what is sent twice stays in order."""
        while True:
            try:
                producer = self.broker.producer()
                for topic, value, key in messages:
                    producer.send(topic, value, key=key)
                producer.close()
            except BrokerUnavailable:
                sleep(0.2)
            else:
                return

    def load(self, habits: Habits | None = None, **limits: int) -> "Load":
        """A producer at work for as long as the ``with`` block lasts."""
        self.stream = Stream(habits)
        return Load(self, **limits)

    def decided(self) -> int:
        return self.ledger.count()

    def finish(self, *, with_fleet: bool = True) -> None:
        """Let workers, or a new one where there are none, finish everything, label some of it, and finish that."""
        if with_fleet and not self.fleet.members:
            self.fleet.start()
        self.fleet.wait("all payments are worked off", self.is_idle)
        known = [each for each in self.stream.payments if each.event_time < AFTERWARDS]
        self.labels = [label(n, each, AFTERWARDS + timedelta(milliseconds=n)) for n, each in enumerate(known[::7])]
        self.send([as_message(each) for each in self.labels])
        self.fleet.wait("all labels are worked off", self.is_idle)
        # Whoever holds the labels folds them with the next payment of any partition that it holds.
        later = AFTERWARDS + timedelta(hours=1)
        self.last = [payment(n, transaction_id=f"last{n}", event_time=later) for n in range(60)]
        self.send([as_message(each) for each in self.last])
        self.fleet.wait("all labels are folded", lambda: self.is_idle() and not self.ledger.pending_labels([0, 1]))
        for member in list(self.fleet.members):
            self.fleet.stop(member)
        assert not self.offsets.went_back, self.offsets.went_back

    def is_idle(self) -> bool:
        """Whether everything is decided, folded and committed."""
        with suppress(BrokerUnavailable, LedgerUnavailable, KafkaException):
            ends = self.offsets.ends()
            committed = all(self.offsets.committed.get(position, 0) == end for position, end in ends.items())
            return committed and all(found.checkpoint == found.last_seq for found in self.ledger.sources().values())
        return False

    def check(self) -> dict[str, Decision]:
        """Hold everything that came out against the oracle; return the decisions, once each."""
        oracle = Oracle(self.stream.payments, self.labels, self.last)
        published: dict[str, set[bytes]] = defaultdict(set)
        for record in self.broker.scan(DECISIONS):
            published[msgspec.json.decode(record.value, type=Decision).transaction_id].add(record.value)
        lost, strange = (
            sorted(oracle.decisions.keys() - published.keys()),
            sorted(published.keys() - oracle.decisions.keys()),
        )
        assert (lost, strange) == ([], []), f"{len(lost)} lost, strange: {strange[:5]} of {len(strange)}"
        assert [key for key, values in published.items() if len(values) > 1] == []
        found = {key: msgspec.json.decode(value, type=Decision) for key, (value,) in published.items()}
        recorded = self.ledger.find(list(found))
        assert self.ledger.count() == len(found)
        assert {key: each.decision for key, each in recorded.items()} == found
        # What the last payments know of labels depends on whether the worker that holds the labels was faster.
        certain = {p.transaction_id for p in self.stream.payments if p.card_id not in self.stream.strayed}
        for key, decision in found.items():
            if decision.degraded:
                assert (decision.degraded, decision.decision == "approve") == (("features",), False)
            elif key in certain:
                assert own_features(decision) == own_features(oracle.decisions[key]), key
        self._check_dead_letters()
        store = open_feast(Path(self.setup.directory), redis_url=self.redis.url)
        assert probe(store).tobytes() == probe(oracle.store).tobytes()
        store.close()
        return found

    def _check_dead_letters(self) -> None:
        """Exactly the poison is there, from every place where it stood, byte for byte."""
        poison = set(self.stream.poison)
        stood = {(r.partition, r.offset): r.value for r in self.broker.scan(TRANSACTIONS) if r.value in poison}
        letters: dict[tuple[int, int], bytes] = {}
        for record in self.broker.scan(DEAD_LETTER):
            about = read_dead_letter(record)
            assert about.topic == TRANSACTIONS, about
            assert letters.setdefault((about.partition, about.offset), record.value) == record.value
        assert letters == stood
        assert len(set(stood.values())) == len(poison)


class Load:
    """Sends ``at_once`` payments up to 20 times a second, so that ``backlog`` wait; beyond ``most``, one at a time.

    It never runs dry: however fast the machine, whoever waits for the next decision gets one.
    """

    def __init__(self, world: World, most: int = 20_000, backlog: int = BACKLOG, at_once: int = 50) -> None:
        self._world, self._most, self._backlog, self._at_once = world, most, backlog, at_once
        self._stop = Flag()
        self._thread = Thread(target=self._run, name="load", daemon=True)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        world = self._world
        while not self._stop.wait(0.05):
            with suppress(LedgerUnavailable):
                sent = len(world.stream.payments)
                if sent - world.decided() < self._backlog:
                    world.send(world.stream.take(self._at_once if sent < self._most else 1))


class Offsets:
    """Watches a group's committed offsets without joining it, and takes note of every step back."""

    def __init__(self, bootstrap: str, group: str) -> None:
        self._client = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False})
        self.committed: dict[Position, int] = {}
        self.went_back: list[tuple[Position, int, int]] = []
        self._stop = Flag()
        self._thread = Thread(target=self._run, name="offsets", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._client.close()

    def ends(self) -> dict[Position, int]:
        """Where the partitions end now."""
        return {
            (each.topic, each.partition): self._client.get_watermark_offsets(each, timeout=5)[1] for each in CONSUMED
        }

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            with suppress(KafkaException):
                self._look()

    def _look(self) -> None:
        for found in self._client.committed(CONSUMED, timeout=5):
            position, offset = (found.topic, found.partition), max(found.offset, 0)
            before = self.committed.get(position, 0)
            if offset < before:
                self.went_back.append((position, before, offset))
            self.committed[position] = offset

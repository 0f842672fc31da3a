"""What has to come out: the same stream through one worker in memory, to which nothing ever happens."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

import msgspec
import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry

from features.catalogue import FEATURES
from features.engine import FeatureEngine
from features.events import TransactionEvent
from features.label import Label
from features.store import FeatureStore
from features.stores.memory import MemoryStore
from features.transaction import Transaction
from models.decision import Decision
from monitoring.metrics import Metrics
from streaming.broker import DEAD_LETTER, DECISIONS, LABELS, TRANSACTIONS
from streaming.brokers.memory import MemoryBroker
from streaming.handling import WorkerLimits
from streaming.ledgers.memory import MemoryLedger
from streaming.scoring import Scoring
from streaming.worker import Worker
from tests.fakes import FakeBundle, fake_policy
from tests.integration.faults.stream import ADDRESSES, CARDS, DEVICES, SHOPS, START, as_message, payment

ENGINE = FeatureEngine()
# A card belongs to one partition, so these do not depend on which of two workers is first.
OWN = tuple(f.name for f in FEATURES if f.entity == "card" or f.request_only)


def own_features(decision: Decision) -> dict[str, float | None]:
    return {name: decision.features[name] for name in OWN}


def probe(store: FeatureStore, at: timedelta = timedelta(days=1, hours=2)) -> NDArray[np.float32]:
    """What every state would tell the next payment; reading changes nothing."""
    count = max(CARDS, SHOPS, DEVICES, ADDRESSES)
    probes = [
        TransactionEvent(
            0,
            payment(
                n,
                event_time=START + at,
                card_id=f"card{n % CARDS}",
                merchant_id=f"shop{n % SHOPS}",
                device_id=f"dev{n % DEVICES}",
                ip=f"10.0.0.{n % ADDRESSES}",
            ),
        )
        for n in range(count)
    ]
    return ENGINE.fold(probes, store.read(ENGINE.keys(probes))).features


class Oracle:
    """One calm worker in memory."""

    def __init__(self, payments: Iterable[Transaction], labels: Sequence[Label] = (), last: Sequence[Transaction] = ()):
        self.store = MemoryStore()
        self._broker = MemoryBroker()
        self._broker.ensure_topics({TRANSACTIONS: 1, DECISIONS: 1, LABELS: 1, DEAD_LETTER: 1})
        self._worker = Worker(
            open_consumer=lambda _: self._broker.consumer([TRANSACTIONS, LABELS], "worker"),
            open_producer=self._broker.producer,
            ledger=MemoryLedger(),
            scoring=Scoring(ENGINE, self.store, FakeBundle(), fake_policy(), store_timeout_s=60.0),
            metrics=Metrics(CollectorRegistry()),
            limits=WorkerLimits(batch=64, wait_s=0, refuse_future=False),
        )
        self._handle(payments)
        self._handle(labels)
        self._handle(last)
        decided = [msgspec.json.decode(r.value, type=Decision) for r in self._broker.records(DECISIONS)]
        self.decisions = {decision.transaction_id: decision for decision in decided}

    def _handle(self, messages: Iterable[Transaction | Label]) -> None:
        producer = self._broker.producer()
        for message in messages:
            topic, value, key = as_message(message)
            producer.send(topic, value, key=key)
        producer.flush()
        while self._worker.step():
            pass
        self._worker.commit()

"""The loop that one would write first on the same parts, a process of its own: one payment at a time.

Read scalar features through Feast, predict, publish, push the features as pandas frames, commit. It is spared much:
it computes no window, keeps no ledger, looks for no duplicates, explains nothing and waits for no acknowledgement.
"""

import json
import sys
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.catalogue import NAMES, column
from features.table import KEY_COLUMNS
from models.bundle import Bundle
from services.benchmarks.feast_scalars import SCALARS, ScalarStore
from services.benchmarks.live.orders import Report, say
from services.champion import served
from services.connections import kafka_security
from services.settings import Settings
from services.state_directory import open_state
from streaming.brokers.clients import Client, connect

STEPS = ("read", "predict", "publish", "push", "commit")


Row = NDArray[np.float32]
Payment = dict[str, Any]


class Setup(msgspec.Struct, frozen=True):
    """What it is started with; ``seconds_file`` gets how many events there were and the seconds of each of `STEPS`."""

    bootstrap: str
    client: Client
    scalars: str
    redis: str
    state: str
    transactions: str
    decisions: str
    seconds_file: str


class Newcomer:
    """Decides one payment at a time on the scalars of a Feast store."""

    def __init__(self, store: ScalarStore, bundle: Bundle) -> None:
        self._store = store
        self._bundle = bundle

    def read(self, payment: Payment) -> Row:
        """Return the features (1, features) float32 that the store has for a payment."""
        keys = {key: [str(payment.get(key) or "")] for key in KEY_COLUMNS.values()}
        found = self._store.look_up(keys).to_dict()
        row = np.full((1, len(NAMES)), np.nan, np.float32)
        for names in SCALARS.values():
            for name in names:
                value = found[name][0]
                if value is not None:
                    row[0, column(name)] = value
        return row

    def predict(self, payment: Payment, row: Row) -> float:
        """Return the score of one row."""
        row[0, column("amount")] = payment["amount"]
        return float(self._bundle.score(row)[0])

    def push(self, payment: Payment, row: Row) -> None:
        """Write each entity's features, as if they had been counted up."""
        time = datetime.fromisoformat(str(payment["event_time"]))
        frames: dict[str, pd.DataFrame] = {}
        for entity, key in KEY_COLUMNS.items():
            if payment.get(key):
                columns = [column(name) for name in SCALARS[entity]]
                frame = pd.DataFrame(row[:, columns] + 1, columns=SCALARS[entity])
                frame[key] = str(payment[key])
                frame["event_time"] = time
                frames[entity] = frame
        self._store.write(frames)


def main() -> None:
    """Consume until it is ended."""
    setup = msgspec.json.decode(sys.argv[1], type=Setup)
    online = {"type": "redis", "connection_string": setup.redis}
    bundle = served(open_state(Path(setup.state))).bundle
    newcomer = Newcomer(ScalarStore(Path(setup.scalars), list(SCALARS), online), bundle)
    broker = connect(setup.bootstrap, setup.client, security=kafka_security(Settings()))
    consumer, producer = broker.consumer([setup.transactions], "newcomer"), broker.producer()
    spent, events = np.zeros(len(STEPS)), 0
    say(Report("ready"))
    while True:
        for record in consumer.poll(0.1, 1):
            laps = [perf_counter()]
            payment = json.loads(record.value)
            row = newcomer.read(payment)
            laps.append(perf_counter())
            score = newcomer.predict(payment, row)
            laps.append(perf_counter())
            answer = {
                "transaction_id": payment["transaction_id"],
                "decision": "decline" if score > 0.5 else "approve",
                "score": score,
            }
            producer.send(setup.decisions, json.dumps(answer).encode(), key=record.key)
            laps.append(perf_counter())
            newcomer.push(payment, row)
            laps.append(perf_counter())
            consumer.commit({(record.topic, record.partition): record.offset + 1})
            laps.append(perf_counter())
            spent += np.diff(laps)
            events += 1
            if events % 50 == 0:
                Path(setup.seconds_file).write_bytes(msgspec.json.encode([events, spent.tolist()]))


if __name__ == "__main__":
    main()

"""Times the live path in micro-batches: read states, fold, write states."""

from collections.abc import Iterator
from datetime import timedelta

import msgspec
import pandas as pd

from features.engine import FeatureEngine
from features.events import TransactionEvent
from features.progress import Progress
from features.store import FeatureStore
from features.table import transactions
from services.benchmarks.timing import Timer, percentiles_us

SIZES = (1, 16, 64)  # transactions in a micro-batch
CALLS = 300  # micro-batches of each size, fewer where the table is shorter
Percentiles = dict[str, dict[str, float]]


def measure_online(
    table: pd.DataFrame, store: FeatureStore, progress: Progress
) -> tuple[Percentiles, Percentiles, Percentiles]:
    """Return µs of folding, reading and writing, by size of the micro-batch.

    ``store`` holds the states of a replay of ``table``. The table's last transactions happen again after its end, so
    that all entities are known; the states written by one micro-batch are what the next one reads.
    """
    engine = FeatureEngine()
    engine.warm_up()
    store.warm_up()
    fold_us, read_us, write_us = Percentiles(), Percentiles(), Percentiles()
    batches = list(_batches(table))
    done, calls = 0, sum(len(group) for _, group in batches)
    for size, group in batches:
        fold, read, write = Timer(), Timer(), Timer()
        for events in group:
            keys = engine.keys(events)
            with read:
                states = store.read(keys)
            with fold:
                result = engine.fold(events, states)
            with write:
                store.write(result.states, events[-1].transaction.event_time)
            done += 1
            progress(done, calls)
        for figures, timer in ((fold_us, fold), (read_us, read), (write_us, write)):
            figures[str(size)] = percentiles_us(timer.seconds, size)
    return fold_us, read_us, write_us


def _batches(table: pd.DataFrame) -> Iterator[tuple[int, list[list[TransactionEvent]]]]:
    """Yield each size with its micro-batches; sequence numbers and event times go on from size to size."""
    last = list(transactions(table.tail(CALLS * max(SIZES))))
    span = last[-1].event_time - last[0].event_time + timedelta(seconds=1)
    seq = 0
    for again, size in enumerate(SIZES, start=1):
        calls = max(1, min(CALLS, len(last) // size))
        events = []
        for payment in last[-calls * size :]:
            seq += 1
            moved = msgspec.structs.replace(payment, event_time=payment.event_time + again * span)
            events.append(TransactionEvent(seq, moved))
        yield size, [events[begin : begin + size] for begin in range(0, len(events), size)]

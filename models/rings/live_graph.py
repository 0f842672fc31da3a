"""A graph that grows: payments and labels come in as they become known, and a `RingGraph` of them costs a sort."""

from array import array
from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.embeddings import NODE_TYPES
from features.epoch import epoch_us
from features.events import Event, LabelEvent
from features.transaction import Transaction
from models.rings.graph import NEVER, Ints, RingGraph, assemble
from models.rings.scorer import entity_key


class NamesSoFar:
    """The first ``count`` keys of one type, in the order of their numbers; what comes later is not seen."""

    def __init__(self, numbers: dict[str, int], keys: list[str], count: int) -> None:
        self._numbers = numbers
        self._keys = keys
        self._count = count

    def __len__(self) -> int:
        """Return how many there are."""
        return self._count

    def __getitem__(self, number: int) -> str:
        """Return the key of a number."""
        return self._keys[number]

    def get_indexer(self, keys: "pd.Index[str]") -> NDArray[np.intp]:
        """Return the numbers of ``keys`` (n,), -1 for those not seen; as `pandas.Index.get_indexer`."""
        numbers = np.array([self._numbers.get(key, -1) for key in keys], np.intp)
        return np.where(numbers < self._count, numbers, -1)


class LiveGraph:
    """Takes in payments and labels and makes graphs of them; keeps the newest ``keep`` payments, up to twice as many.

    Not safe to share between threads; a graph that it has made never changes.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._ids: list[str] = []
        self._places: dict[str, int] = {}
        self._time, self._label_time = array("q"), array("q")
        self._amount, self._label = array("f"), array("b")
        self._codes = [array("i") for _ in NODE_TYPES]
        self._keys: list[list[str]] = [[] for _ in NODE_TYPES]
        self._numbers: list[dict[str, int]] = [{} for _ in NODE_TYPES]

    def __len__(self) -> int:
        """Return how many payments are kept."""
        return len(self._ids)

    def take(self, events: Iterable[Event]) -> None:
        """Take in payments, in any order, and labels of payments that are here; the label known last counts."""
        for event in events:
            if isinstance(event, LabelEvent):
                self._learn(event)
            elif event.transaction.transaction_id not in self._places:
                self._add(event.transaction)

    def graph(self) -> RingGraph:
        """Return the graph of what has been taken in."""
        if len(self) > 2 * self._keep:
            self._forget(np.argsort(self._time, kind="stable")[-self._keep :])
        # Copies: an array that is looked at cannot grow.
        time = np.array(self._time, np.int64)
        order = np.argsort(time, kind="stable")
        return assemble(
            time=time[order],
            amount=np.array(self._amount, np.float32)[order],
            label=np.array(self._label, np.int8)[order],
            label_time=np.array(self._label_time, np.int64)[order],
            codes=np.stack([np.array(column, np.int32) for column in self._codes], axis=1)[order],
            names=tuple(
                NamesSoFar(numbers, keys, len(keys)) for numbers, keys in zip(self._numbers, self._keys, strict=True)
            ),
        )

    def _add(self, transaction: Transaction) -> None:
        self._places[transaction.transaction_id] = len(self._ids)
        self._ids.append(transaction.transaction_id)
        self._time.append(epoch_us(transaction.event_time))
        self._amount.append(np.log1p(transaction.amount))
        self._label.append(0)
        self._label_time.append(NEVER)
        for node_type, codes, keys, numbers in zip(NODE_TYPES, self._codes, self._keys, self._numbers, strict=True):
            key = entity_key(transaction, node_type)
            if key is None:
                codes.append(-1)
                continue
            number = numbers.setdefault(key, len(keys))
            if number == len(keys):
                keys.append(key)
            codes.append(number)

    def _learn(self, label: LabelEvent) -> None:
        place, known = self._places.get(label.transaction_id), epoch_us(label.label_time)
        if place is None or (self._label_time[place] != NEVER and self._label_time[place] > known):
            return
        self._label[place] = label.is_fraud
        self._label_time[place] = known

    def _forget(self, kept: Ints) -> None:
        """Keep only the payments at ``kept``, and only the keys that they name."""
        self._ids = [self._ids[place] for place in kept.tolist()]
        self._places = {name: place for place, name in enumerate(self._ids)}
        self._time = array("q", np.array(self._time, np.int64)[kept].tobytes())
        self._label_time = array("q", np.array(self._label_time, np.int64)[kept].tobytes())
        self._amount = array("f", np.array(self._amount, np.float32)[kept].tobytes())
        self._label = array("b", np.array(self._label, np.int8)[kept].tobytes())
        for at, column in enumerate(self._codes):
            codes = np.array(column, np.int32)[kept]
            named = codes >= 0
            codes[named], used = pd.factorize(codes[named])
            self._codes[at] = array("i", codes.tobytes())
            self._keys[at] = [self._keys[at][number] for number in used.tolist()]
            self._numbers[at] = {key: number for number, key in enumerate(self._keys[at])}

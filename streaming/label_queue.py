"""Labels that are known to the ledger and wait for event time to reach them."""

import heapq
from collections.abc import Iterable
from datetime import datetime

from features.events import LabelEvent

_Place = tuple[datetime, bool, str, bool]


class LabelQueue:
    """Labels in the order of their fold, the very order of `features.history`.

    Each is folded before the first transaction whose event time has reached its ``label_time``, but after its own
    transaction and all others of that moment, however early it claims to have been known. Labels of one moment go by
    transaction id, and of one transaction's the fraud comes last, so that it wins.
    """

    def __init__(self, waiting: Iterable[LabelEvent] = ()) -> None:
        self._heap: list[tuple[_Place, LabelEvent]] = []
        for label in waiting:
            self.add(label)

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, label: LabelEvent) -> None:
        """Queue a label; its ``seq`` is not used yet."""
        heapq.heappush(self._heap, (_place(label), label))

    def due(self, event_time: datetime) -> list[LabelEvent]:
        """Take the labels that had arrived by ``event_time``, oldest first."""
        ready: list[LabelEvent] = []
        before = event_time, True
        while self._heap and self._heap[0][0][:2] < before:
            ready.append(heapq.heappop(self._heap)[1])
        return ready


def _place(label: LabelEvent) -> _Place:
    """Return when a label is folded; True in second place puts it after the transactions of that moment."""
    at_once = label.label_time <= label.event_time
    return max(label.label_time, label.event_time), at_once, label.transaction_id, label.is_fraud

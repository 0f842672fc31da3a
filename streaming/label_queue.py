"""Labels that are known to the ledger and wait for event time to reach them."""

import heapq
from collections.abc import Iterable
from datetime import datetime

from features.events import LabelEvent


class LabelQueue:
    """Labels by ``label_time``: each is folded before the first transaction whose event time has reached it."""

    def __init__(self, waiting: Iterable[LabelEvent] = ()) -> None:
        self._heap: list[tuple[datetime, str, LabelEvent]] = []
        for label in waiting:
            self.add(label)

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, label: LabelEvent) -> None:
        """Queue a label; its ``seq`` is not used yet."""
        heapq.heappush(self._heap, (label.label_time, label.transaction_id, label))

    def due(self, event_time: datetime) -> list[LabelEvent]:
        """Take the labels that had arrived by ``event_time``, oldest first."""
        ready: list[LabelEvent] = []
        while self._heap and self._heap[0][0] <= event_time:
            ready.append(heapq.heappop(self._heap)[2])
        return ready

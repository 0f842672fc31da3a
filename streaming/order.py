"""The order in which a worker folds transactions and labels."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from features.events import Event, LabelEvent, TransactionEvent, first_seq
from features.transaction import Transaction
from streaming.label_queue import LabelQueue


class Order:
    """Numbers what is folded; ``last`` holds the last ``seq`` given in each source.

    It takes over where another left it: ``waiting`` labels have been known before and are not folded yet.
    """

    def __init__(self, waiting: Iterable[LabelEvent] = (), last: Mapping[int, int] | None = None) -> None:
        self._labels = LabelQueue(waiting)
        self.last = dict(last or {})

    def add(self, label: LabelEvent) -> None:
        """Keep a label until a transaction may know of it; its ``seq`` is not used yet."""
        self._labels.add(label)

    def place(self, transaction: Transaction, source: int) -> list[Event]:
        """Return the labels that ``transaction`` may know of, and it behind them, each with its ``seq``."""
        events: list[Event] = [*self.due(transaction.event_time, source)]
        events.append(TransactionEvent(self._next(source), transaction))
        return events

    def due(self, event_time: datetime, source: int) -> list[LabelEvent]:
        """Return the labels known by ``event_time``, each with its ``seq``."""
        return [replace(label, seq=self._next(source)) for label in self._labels.due(event_time)]

    def _next(self, source: int) -> int:
        self.last[source] = self.last.get(source, first_seq(source)) + 1
        return self.last[source]

"""The one order in which transactions and labels are folded."""

from collections.abc import Iterable
from dataclasses import replace

from features.events import Event, LabelEvent, TransactionEvent
from features.transaction import Transaction
from streaming.label_queue import LabelQueue


class Order:
    """Numbers what is folded; ``seq`` is the last number given.

    It takes over where another left it: ``waiting`` labels have been known before and are not folded yet.
    """

    def __init__(self, waiting: Iterable[LabelEvent] = (), seq: int = 0) -> None:
        self._labels = LabelQueue(waiting)
        self.seq = seq

    def add(self, label: LabelEvent) -> None:
        """Keep a label until a transaction may know of it; its ``seq`` is not used yet."""
        self._labels.add(label)

    def place(self, transaction: Transaction) -> list[Event]:
        """Return the labels that ``transaction`` may know of, and it behind them, each with its ``seq``."""
        events: list[Event] = [replace(label, seq=self._next()) for label in self._labels.due(transaction.event_time)]
        events.append(TransactionEvent(self._next(), transaction))
        return events

    def _next(self) -> int:
        self.seq += 1
        return self.seq

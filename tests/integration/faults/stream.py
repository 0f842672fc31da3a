"""The stream that the fault tests send: payments of known cards, shops and devices, and what a sloppy producer adds."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from features.codec import encode_label, encode_transaction
from features.label import Label
from features.transaction import Transaction
from streaming.broker import LABELS, TRANSACTIONS

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
CARDS, SHOPS, DEVICES, ADDRESSES = 60, 12, 9, 15
Message = Transaction | Label | bytes


@dataclass(frozen=True)
class Habits:
    """What a producer does besides sending payments, each as a share of the messages."""

    poison: float = 0.0  # nothing that a transaction could be read from
    conflicts: float = 0.0  # an earlier payment's id, with another amount
    repeats: float = 0.0  # of an earlier payment, unchanged
    strays: float = 0.0  # of an earlier payment, to a partition that is not its card's
    seed: int = 0


def payment(n: int, **changes: object) -> Transaction:
    chosen = random.Random(n)
    fields = {
        "transaction_id": f"t{n}",
        "event_time": START + timedelta(seconds=n),
        "card_id": f"card{chosen.randrange(CARDS)}",
        "merchant_id": f"shop{chosen.randrange(SHOPS)}",
        "amount": float(chosen.randrange(1, 300)),
        "currency": "EUR",
        "device_id": f"dev{chosen.randrange(DEVICES)}" if n % 2 else None,
        "ip": f"10.0.0.{chosen.randrange(ADDRESSES)}" if n % 3 else None,
    }
    return Transaction(**(fields | changes))


def label(n: int, transaction: Transaction, at: datetime) -> Label:
    key = transaction.transaction_id
    return Label(transaction_id=key, is_fraud=n % 4 != 0, source="chargeback", label_time=at)


def poison(n: int) -> bytes:
    """Bytes that no transaction can be read from, different for every ``n``."""
    whole = encode_transaction(payment(n, transaction_id=f"poison{n}"))
    kinds = (
        whole[: len(whole) // 2],
        b"\xff\xfe" + whole,
        whole.replace(b'"amount":', b'"amount":-'),
        whole.replace(b"EUR", b"XXX"),
        whole.replace(b'"card_id":"', b'"card_id":"4111111111111111","was":"'),
        b"[" * 200 + str(n).encode(),
        whole.replace(b"2026-", b"1876-"),
    )
    return kinds[n % len(kinds)]


def as_message(message: Message) -> tuple[str, bytes, bytes | None]:
    """The topic, value and key of a message."""
    if isinstance(message, Transaction):
        return TRANSACTIONS, encode_transaction(message), message.card_id.encode()
    if isinstance(message, Label):
        return LABELS, encode_label(message), message.transaction_id.encode()
    return TRANSACTIONS, message, None


class Stream:
    """Messages one after the other, the same for the same habits; ``payments`` are the valid ones, each once."""

    def __init__(self, habits: Habits | None = None) -> None:
        self._habits = habits or Habits()
        self._chosen = random.Random(self._habits.seed)
        self.payments: list[Transaction] = []
        self.poison: list[bytes] = []
        self.strayed: set[str] = set()  # cards with payments in two partitions: their order is anybody's guess

    def take(self, count: int) -> list[tuple[str, bytes, bytes | None]]:
        return [self._next() for _ in range(count)]

    def _next(self) -> tuple[str, bytes, bytes | None]:
        draw = self._chosen.random()
        if draw < self._habits.poison:
            self.poison.append(poison(len(self.poison)))
            return as_message(self.poison[-1])
        draw -= self._habits.poison
        again = self._chosen.choice(self.payments[-200:]) if self.payments else None
        if again and draw < self._habits.conflicts:
            other = msgspec.structs.replace(again, amount=1000.0 + len(self.poison))
            topic, value, key = as_message(other)
            self.poison.append(value)
            return topic, value, key
        draw -= self._habits.conflicts
        if again and draw < self._habits.repeats + self._habits.strays:
            topic, value, key = as_message(again)
            if draw < self._habits.strays:
                self.strayed.add(again.card_id)
                key = b"astray" + bytes([self._chosen.randrange(256)])
            return topic, value, key
        self.payments.append(payment(len(self.payments)))
        return as_message(self.payments[-1])

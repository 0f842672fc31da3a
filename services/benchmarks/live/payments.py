"""Payments without end: simulated ones again and again, each round later by as long as they last, under new ids."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec

from features.codec import decode_transaction, encode_transaction
from features.transaction import Transaction

_encode_time = msgspec.json.encode
_ROUND_GAP = timedelta(seconds=1)


class _Template(NamedTuple):
    """One payment on the wire, cut where the id and the time go."""

    key: bytes
    head: bytes
    middle: bytes
    tail: bytes
    transaction: Transaction


class Payments:
    """The payments of a run by number, from 0 on; ``prefix`` begins their ids.

    Cards, merchants and the pace of event time stay those of the simulation, however fast they are sent.
    """

    def __init__(self, payments: Iterable[Transaction], prefix: str) -> None:
        self._templates = [_cut(payment) for payment in payments]
        times = [template.transaction.event_time for template in self._templates]
        self._span = times[-1] - times[0] + _ROUND_GAP
        self._prefix = prefix.encode()

    def __getitem__(self, number: int) -> tuple[bytes, bytes]:
        """Return the partition key and the message of a payment."""
        turn, place = divmod(number, len(self._templates))
        key, head, middle, tail, transaction = self._templates[place]
        time = _encode_time(transaction.event_time + turn * self._span)
        return key, b"".join((head, self._prefix, b"%d" % number, middle, time, tail))

    def number(self, transaction_id: str) -> int | None:
        """Return which payment an id belongs to; None for an id of another run."""
        rest = transaction_id.removeprefix(self._prefix.decode())
        return int(rest) if len(rest) < len(transaction_id) and rest.isdecimal() else None


def write_payments(payments: Iterable[Transaction], path: Path, progress: Callable[[int], None]) -> None:
    """Write payments as JSON lines, whole or not at all; ``progress`` hears how many."""
    draft = path.with_suffix(".draft")
    with draft.open("wb") as file:
        for number, payment in enumerate(payments, 1):
            file.write(encode_transaction(payment) + b"\n")
            if number % 1000 == 0:
                progress(number)
    draft.replace(path)


def read_payments(path: Path, prefix: str) -> Payments:
    """Read what `write_payments` wrote."""
    with path.open("rb") as file:
        return Payments((decode_transaction(line.rstrip()) for line in file), prefix)


def _cut(payment: Transaction) -> _Template:
    encoded = encode_transaction(payment)
    head, _, rest = encoded.partition(b'"' + payment.transaction_id.encode() + b'"')
    middle, _, tail = rest.partition(_encode_time(payment.event_time))
    return _Template(payment.card_id.encode(), head + b'"', b'"' + middle, tail, payment)

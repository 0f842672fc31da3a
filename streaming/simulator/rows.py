"""Transactions in the making: parallel arrays of numbers instead of names, cheap to make, join and sort."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from features.transaction import Channel, EntryMode

CHANNELS: tuple[str, ...] = get_args(Channel)
ENTRY_MODES: tuple[str, ...] = get_args(EntryMode)
POS, ECOMMERCE, ATM, MOTO, TRANSFER = (CHANNELS.index(name) for name in ("pos", "ecommerce", "atm", "moto", "transfer"))
CHIP, CONTACTLESS, MAGSTRIPE, MANUAL, STORED, WALLET = (
    ENTRY_MODES.index(name) for name in ("chip", "contactless", "magstripe", "manual", "stored", "wallet")
)
NONE = -1
_DTYPES = {
    "time": np.int64, "customer": np.int32, "card": np.int32, "merchant": np.int32, "cents": np.int32,
    "device": np.int32, "ip": np.int32, "counterparty": np.int32, "channel": np.int8, "entry": np.int8,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rows:
    """Transactions as arrays of shape (n,); -1 means absent. ``time`` is milliseconds since the scenario's start."""

    time: NDArray[np.signedinteger]
    customer: NDArray[np.signedinteger]
    card: NDArray[np.signedinteger]
    merchant: NDArray[np.signedinteger]
    cents: NDArray[np.signedinteger]
    device: NDArray[np.signedinteger]
    ip: NDArray[np.signedinteger]
    counterparty: NDArray[np.signedinteger]
    channel: NDArray[np.signedinteger]
    entry: NDArray[np.signedinteger]

    def __len__(self) -> int:
        return self.time.size

    def take(self, index: NDArray[np.signedinteger]) -> "Rows":
        """Return the rows at ``index``, in that order."""
        return Rows(**{item.name: getattr(self, item.name)[index] for item in fields(self)})

    def compact(self) -> "Rows":
        """Return the same rows in the smallest dtypes that hold them."""
        return Rows(**{name: getattr(self, name).astype(dtype) for name, dtype in _DTYPES.items()})


def concat(parts: Sequence[Rows]) -> Rows:
    """Join ``parts`` (at least one) in order, in compact dtypes."""
    compact = [part.compact() for part in parts]
    return Rows(**{name: np.concatenate([getattr(part, name) for part in compact]) for name in _DTYPES})

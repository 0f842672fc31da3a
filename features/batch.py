"""A micro-batch of events as the kernel's input arrays."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.encode import (
    channel_code,
    entry_mode_code,
    key_hash,
    letters_code,
    mcc_code,
    outcome_word,
)
from features.epoch import epoch_us
from features.events import Event, LabelEvent, TransactionEvent, source_of
from features.state_layout import I_KIND, INTEGERS, LABEL, REALS, TRANSACTION
from features.store import ENTITIES, Entity

Keys = tuple[str | None, ...]
_MISSING = float("nan")


def entity_keys(event: Event) -> Keys:
    """Return the event's entity keys in the order of `ENTITIES`."""
    holder = event.transaction if isinstance(event, TransactionEvent) else event
    return holder.card_id, holder.merchant_id, holder.device_id, holder.ip, holder.customer_id


def transaction_integers(event: TransactionEvent) -> tuple[int, ...]:
    """Return a transaction as the kernel's integer columns."""
    payment = event.transaction
    return (
        TRANSACTION,
        event.seq,
        epoch_us(payment.event_time),
        0,
        0,
        key_hash(payment.card_id),
        key_hash(payment.merchant_id),
        key_hash(payment.device_id),
        mcc_code(payment.mcc),
        letters_code(payment.country),
        letters_code(payment.currency),
        channel_code(payment.channel),
        entry_mode_code(payment.entry_mode),
    )


def label_integers(event: LabelEvent) -> tuple[int, ...]:
    """Return a label as the kernel's integer columns."""
    known = (LABEL, event.seq, epoch_us(event.event_time), epoch_us(event.label_time))
    return *known, outcome_word(event.transaction_id, event.is_fraud), *(0,) * (INTEGERS - len(known) - 1)


def transaction_reals(event: TransactionEvent) -> tuple[float, float, float]:
    """Return a transaction as the kernel's real columns."""
    payment = event.transaction
    latitude = _MISSING if payment.latitude is None else payment.latitude
    return payment.amount, latitude, _MISSING if payment.longitude is None else payment.longitude


@dataclass(frozen=True, slots=True)
class Batch:
    """Events as arrays, and the distinct entities ("slots") that they touch.

    ``integers`` (n, INTEGERS) int64, ``reals`` (n, REALS) float64, ``slots`` (n, entities) int64 or -1; of each slot
    its ``keys`` (entity, key), ``entities`` (entity code), and how many ``transactions`` and ``labels`` it gets. The
    events come from so many ``sources``.
    """

    integers: NDArray[np.int64]
    reals: NDArray[np.float64]
    slots: NDArray[np.int64]
    keys: tuple[tuple[Entity, str], ...]
    entities: NDArray[np.int64]
    transactions: NDArray[np.int64]
    labels: NDArray[np.int64]
    sources: int


def make_batch(events: Sequence[Event]) -> Batch:
    """Turn events into a batch, keeping their order."""
    slot_of: dict[tuple[int, str], int] = {}
    integers: list[tuple[int, ...]] = []
    reals: list[tuple[float, float, float]] = []
    slots: list[list[int]] = []
    for event in events:
        if isinstance(event, TransactionEvent):
            integers.append(transaction_integers(event))
            reals.append(transaction_reals(event))
        else:
            integers.append(label_integers(event))
            reals.append((_MISSING, _MISSING, _MISSING))
        slots.append(
            [
                -1 if key is None else slot_of.setdefault((code, key), len(slot_of))
                for code, key in enumerate(entity_keys(event))
            ]
        )
    counts = np.zeros((2, len(slot_of)), np.int64)
    for columns, touched in zip(integers, slots, strict=True):
        for slot in touched:
            if slot >= 0:
                counts[columns[I_KIND], slot] += 1
    return Batch(
        np.array(integers, np.int64).reshape(-1, INTEGERS),
        np.array(reals, np.float64).reshape(-1, REALS),
        np.array(slots, np.int64).reshape(-1, len(ENTITIES)),
        tuple((ENTITIES[code], key) for code, key in slot_of),
        np.array([code for code, _ in slot_of], np.int64),
        counts[TRANSACTION],
        counts[LABEL],
        len({source_of(event.seq) for event in events}),
    )


def distinct_keys(events: Iterable[Event]) -> dict[Entity, list[str]]:
    """Return the entity keys that the events touch, each once, in order of appearance."""
    keys: dict[Entity, dict[str, None]] = {entity: {} for entity in ENTITIES}
    for event in events:
        for entity, key in zip(ENTITIES, entity_keys(event), strict=True):
            if key is not None:
                keys[entity][key] = None
    return {entity: list(found) for entity, found in keys.items() if found}

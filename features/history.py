"""A canonical table as the kernel's input: columns of numbers, slots, and transactions and labels in one order."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features import state_layout as layout
from features.encode import channel_code, entry_mode_code, key_hash, letters_code, mcc_code, outcome_word
from features.epoch import epoch_us
from features.errors import DataError
from features.store import ENTITIES, Entity
from features.table import KEY_COLUMNS

Integers = NDArray[np.int64]
_HASHES = {layout.I_CARD: "card_id", layout.I_MERCHANT: "merchant_id", layout.I_DEVICE: "device_id"}
_CODES: dict[int, tuple[str, Callable[[str | None], int]]] = {
    layout.I_MCC: ("mcc", mcc_code),
    layout.I_COUNTRY: ("country", letters_code),
    layout.I_CURRENCY: ("currency", letters_code),
    layout.I_CHANNEL: ("channel", channel_code),
    layout.I_ENTRY_MODE: ("entry_mode", entry_mode_code),
}


@dataclass(frozen=True, slots=True)
class History:
    """A table ready to fold.

    Per row: ``columns`` by kernel column, int64; ``reals`` (rows, REALS); ``slots`` (rows, entities) or -1. ``order``
    lists what to fold: rows as themselves, and the label of row r as rows + r. Per slot: ``keys``, ``entities``,
    ``transactions`` and ``labels``, as in `features.batch.Batch`.
    """

    rows: int
    columns: dict[int, Integers]
    reals: NDArray[np.float64]
    slots: Integers
    order: Integers
    keys: tuple[tuple[Entity, str], ...]
    entities: Integers
    transactions: Integers
    labels: Integers


def make_history(table: pd.DataFrame, until: datetime | None) -> History:
    """Prepare a canonical table; ``until`` as for `features.replay.replay`. Raises `DataError` if it is not sorted."""
    rows = len(table)
    times = pd.DatetimeIndex(table["event_time"]).as_unit("us").asi8
    if rows and (np.diff(times) < 0).any():
        at = int((np.diff(times) < 0).argmax()) + 1
        raise DataError(f"The table is not sorted by event_time: row {at} is earlier than the row before it.",
                        remedy="Sort it by event_time, keeping the order of equal times.")  # fmt: skip
    columns, slots, keys = _columns(table)
    columns[layout.I_TIME] = times
    labelled = _labelled(table, times, until)
    columns[layout.I_LABEL_TIME] = pd.DatetimeIndex(table["label_time"]).as_unit("us").asi8
    columns[layout.I_WHICH] = np.zeros(rows, np.int64)
    frauds = table["is_fraud"].to_numpy(dtype=np.int8, na_value=0)[labelled].tolist()
    ids = table["transaction_id"].to_numpy(dtype=object)[labelled].tolist()
    columns[layout.I_WHICH][labelled] = [
        outcome_word(name, bool(fraud)) for name, fraud in zip(ids, frauds, strict=True)
    ]
    codes = {entity: code for code, entity in enumerate(ENTITIES)}
    return History(
        rows=rows,
        columns=columns,
        reals=np.ascontiguousarray(table[["amount", "latitude", "longitude"]].to_numpy(dtype=np.float64)),
        slots=slots,
        order=_order(times, columns[layout.I_LABEL_TIME], labelled, ids),
        keys=keys,
        entities=np.array([codes[entity] for entity, _ in keys], np.int64),
        transactions=count_slots(slots, len(keys)),
        labels=count_slots(slots[labelled], len(keys)),
    )


def _columns(table: pd.DataFrame) -> tuple[dict[int, Integers], Integers, tuple[tuple[Entity, str], ...]]:
    """Return hashed and coded columns, slots and their keys."""
    columns: dict[int, Integers] = {}
    slots = np.full((len(table), len(ENTITIES)), -1, np.int64)
    keys: list[tuple[Entity, str]] = []
    by_name = {name: index for index, name in _HASHES.items()}
    for code, (entity, name) in enumerate(KEY_COLUMNS.items()):
        places, uniques = pd.factorize(table[name])
        slots[:, code] = np.where(places >= 0, places + len(keys), -1)
        if name in by_name:
            columns[by_name[name]] = _translate(places, uniques, key_hash)
        keys.extend((entity, str(key)) for key in uniques)
    for index, (name, encode) in _CODES.items():
        places, uniques = pd.factorize(table[name])
        columns[index] = _translate(places, uniques, encode)
    return columns, slots, tuple(keys)


def _translate(places: NDArray[np.intp], uniques: "pd.Index[str]", encode: Callable[[str | None], int]) -> Integers:
    """Apply ``encode`` to a factorized column; missing becomes 0."""
    table = np.array([0, *(encode(str(value)) for value in uniques)], np.int64)
    return table[places + 1]


def _labelled(table: pd.DataFrame, times: Integers, until: datetime | None) -> NDArray[np.bool_]:
    """Say which rows have a label that became known by ``until``, or by the last transaction."""
    if not len(table):
        return np.zeros(0, np.bool_)
    cutoff = int(times[-1]) if until is None else epoch_us(until)
    known = (table["is_fraud"].notna() & table["label_time"].notna()).to_numpy()
    label_times = pd.DatetimeIndex(table["label_time"]).as_unit("us").asi8
    return np.asarray(known & (label_times <= cutoff))


def count_slots(slots: Integers, total: int) -> Integers:
    """Return how often each of ``total`` slots occurs; -1 is none."""
    return np.bincount(slots.ravel() + 1, minlength=total + 1)[1:].astype(np.int64, copy=False)


def _order(times: Integers, label_times: Integers, labelled: NDArray[np.bool_], ids: list[str]) -> Integers:
    """Interleave: a label comes before the first transaction at or after its label time, but never before its own.

    Labels of one moment go by transaction id, as in the stream, where nothing else orders them. ``ids`` are those of
    the labelled rows.
    """
    rows = len(times)
    with_label = np.flatnonzero(labelled)
    at_once = label_times[with_label] <= times[with_label]
    when = np.where(at_once, times[with_label], label_times[with_label])
    rank = np.where(at_once, 2, 0).astype(np.int8)
    shared = np.flatnonzero(pd.Series(when).duplicated(keep=False))
    name = np.zeros(len(with_label), np.int64)
    name[shared] = pd.factorize(np.array([ids[at] for at in shared], dtype=object), sort=True)[0]
    keys = (
        np.concatenate((np.zeros(rows, np.int64), name)),
        np.concatenate((np.ones(rows, np.int8), rank)),
        np.concatenate((times, when)),
    )
    return np.concatenate((np.arange(rows), rows + with_label))[np.lexsort(keys)]

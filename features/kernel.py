"""The fold's compiled core: one pass over a batch of events, in order, reading features and applying each event.

There is one such function, and everything that computes features calls it: live scoring, back-fill and training.
"""

import functools
import math
from collections.abc import Callable

import numpy as np

from features.catalogue import column
from features.catalogue_formulas import FORMULAS
from features.formula import Past, Payment, chained
from features.kernel_apply import apply_label, apply_transaction
from features.kernel_history import read_history
from features.kernel_jit import entry_point, jit, source_digest
from features.kernel_labels import read_rates, read_streaks
from features.kernel_markers import is_applied, mark_applied
from features.kernel_request import read_request
from features.kernel_tiles import Words, real
from features.kernel_windows import (
    S_COUNT,
    SEEN,
    STATISTICS,
    Matrix,
    Reals,
    count_distinct,
    count_small,
    event_range,
    read_windows,
)
from features.state_layout import (
    ALLOWED_LATENESS_US,
    CARD,
    COUNTRY_MASK,
    COUNTRY_SHIFT,
    DAY_US,
    DEVICE,
    DEVICE_SHIFT,
    E_CODES,
    E_OTHERS,
    E_TIME,
    EVENT_LIMIT,
    F_ABSENT,
    F_APPLIED,
    F_COLD,
    F_LATE,
    F_MISSING,
    F_TOO_LATE,
    H_FIRST_SEEN,
    H_LATITUDE,
    H_LOCATED,
    H_LONGITUDE,
    H_NEWEST,
    H_TOTAL,
    HASH_MASK,
    HOUR_US,
    I_KIND,
    I_SEQ,
    I_TIME,
    IP,
    LABEL,
    MERCHANT,
    MERCHANT_SHIFT,
    MICROSECONDS,
    MISSING_INTEGERS,
    MISSING_REALS,
    R_AMOUNT,
    R_LATITUDE,
    R_LONGITUDE,
    T_HEADER,
    WINDOW_US,
)
from features.store import ENTITIES

Kernel = Callable[[Words, Words, Words, Matrix, Words, Matrix, Words], None]

_COUNTS = tuple(column(f"{entity}_count_1h") for entity in ENTITIES)
_COUNTED = (4, 4, 3, 3, 3)  # windows counted, by entity code
_SINCE_LAST = tuple(column(f"{entity}_hours_since_last") for entity in ENTITIES)
_AGE = tuple(column(f"{entity}_age_days") for entity in ENTITIES)
_SMALL_1H = tuple(column(f"{entity}_small_count_1h") for entity in ENTITIES)
_SMALL_24H = column("card_small_count_24h")
_CARDS = (-1, *(column(f"{entity}_distinct_cards_24h") for entity in ENTITIES[1:]))
_MERCHANTS, _COUNTRIES = column("card_distinct_merchants_24h"), column("card_distinct_countries_24h")
_DEVICES = column("card_distinct_devices_24h")
# As np.int64: literal integers would compile the same code once for each value.
_MERCHANT_FIELD = (np.int64(E_OTHERS), np.int64(MERCHANT_SHIFT), np.int64(HASH_MASK))
_DEVICE_FIELD = (np.int64(E_OTHERS), np.int64(DEVICE_SHIFT), np.int64(HASH_MASK))
_COUNTRY_FIELD = (np.int64(E_CODES), np.int64(COUNTRY_SHIFT), np.int64(COUNTRY_MASK))
_CARD_FIELD = (np.int64(E_OTHERS), np.int64(0), np.int64(HASH_MASK))
_DISTANCE, _SPEED = column("distance_km"), column("speed_kmh")
_EARTH_KM = 6371.0088  # mean radius
_LEAST_TRAVEL_US = 60 * MICROSECONDS
_card_formulas, _merchant_formulas, _device_formulas, _ip_formulas, _customer_formulas = (
    chained([each for each in FORMULAS if each.feature.entity == entity], column, jit) for entity in ENTITIES
)


@jit
def read_travel(words: Words, header: int, time: int, reals: Reals, row: Reals) -> None:
    """Fill distance (haversine on a sphere) and speed since the card's last located transaction."""
    located = words[header + H_LOCATED]
    if located == 0 or located > time or np.isnan(reals[R_LATITUDE]) or np.isnan(reals[R_LONGITUDE]):
        return
    latitude, longitude = math.radians(real(words, header + H_LATITUDE)), real(words, header + H_LONGITUDE)
    here = math.radians(reals[R_LATITUDE])
    half = math.sin((here - latitude) / 2.0)
    turn = math.sin(math.radians(reals[R_LONGITUDE] - longitude) / 2.0)
    chord = half * half + math.cos(latitude) * math.cos(here) * turn * turn
    distance = 2.0 * _EARTH_KM * math.asin(math.sqrt(min(chord, 1.0)))
    row[_DISTANCE] = distance
    row[_SPEED] = distance / (max(time - located, _LEAST_TRAVEL_US) / HOUR_US)


@jit
def fill_formulas(entity: int, payment: Payment, past: Past, row: Reals) -> None:
    """Fill the columns of one entity that bring their own formula; they may use its other columns."""
    if entity == CARD:
        _card_formulas(payment, past, row)
    elif entity == MERCHANT:
        _merchant_formulas(payment, past, row)
    elif entity == DEVICE:
        _device_formulas(payment, past, row)
    elif entity == IP:
        _ip_formulas(payment, past, row)
    else:
        _customer_formulas(payment, past, row)


@jit
def read_entity(
    words: Words, table: Words, slot: int, entity: int, integers: Words, reals: Reals, scratch: Reals, seen: Words,
    row: Reals,
) -> None:  # fmt: skip
    """Fill the columns of one entity as of just before the transaction."""
    time, amount, header = integers[I_TIME], reals[R_AMOUNT], table[slot, T_HEADER]
    events = event_range(words, table, slot, time)
    begin, end, width = events
    windows = scratch[: len(WINDOW_US) * STATISTICS].reshape((len(WINDOW_US), STATISTICS))
    read_windows(words, table, slot, time, events, windows)
    for window in range(_COUNTED[entity]):
        if entity <= MERCHANT:
            for statistic in range(STATISTICS):
                row[_COUNTS[entity] + window * STATISTICS + statistic] = windows[window, statistic]
        else:
            row[_COUNTS[entity] + window] = windows[window, S_COUNT]
    if end > begin:
        row[_SINCE_LAST[entity]] = (time - words[end - width + E_TIME]) / HOUR_US
    if words[header + H_TOTAL] > 0 and words[header + H_FIRST_SEEN] <= time:
        row[_AGE[entity]] = (time - words[header + H_FIRST_SEEN]) / DAY_US
    row[_SMALL_1H[entity]] = count_small(words, events, time - HOUR_US)
    if entity == CARD:
        row[_SMALL_24H] = count_small(words, events, time - DAY_US)
        count_distinct(words, events, _MERCHANT_FIELD, time, seen, row[_MERCHANTS:])
        count_distinct(words, events, _COUNTRY_FIELD, time, seen, row[_COUNTRIES:])
        count_distinct(words, events, _DEVICE_FIELD, time, seen, row[_DEVICES:])
        read_travel(words, header, time, reals, row)
        read_history(words, events, integers, amount, scratch, row)
    else:
        count_distinct(words, events, _CARD_FIELD, time, seen, row[_CARDS[entity] :])
    read_rates(words, table, slot, entity, time, row)
    read_streaks(words, table, slot, entity, time, row)
    fill_formulas(entity, Payment(time, amount, integers, reals), Past(words, begin, end, width), row)


@jit
def read_flags(words: Words, table: Words, slot: int, entity: int, integers: Words) -> int:
    """Say whether the entity is new or the transaction late for it, and whether it was applied to it before."""
    header, time = table[slot, T_HEADER], integers[I_TIME]
    flags = 0
    if words[header + H_TOTAL] > 0:
        if entity == CARD and time < words[header + H_NEWEST]:
            flags |= F_LATE
        if time < words[header + H_NEWEST] - ALLOWED_LATENESS_US:
            flags |= F_TOO_LATE
    else:
        flags |= F_COLD << entity
    if is_applied(words, table, slot, integers[I_SEQ]):
        flags |= F_APPLIED << entity
    return flags


@jit
def read_missing(integers: Words, reals: Reals) -> int:
    """Say which optional fields of the request are absent, those that name entities left out."""
    flags = 0
    bit = F_MISSING
    for place in MISSING_INTEGERS:
        if integers[place] == 0:
            flags |= bit
        bit <<= 1
    for place in MISSING_REALS:
        if np.isnan(reals[place]):
            flags |= bit
        bit <<= 1
    return flags


@functools.cache
def compiled_kernel() -> Kernel:
    """Return the fold, compiled on its first call or loaded from the disk cache.

    Arguments: arena ``words`` and slot ``table`` (see `features.state_layout`; both changed in place), events as
    ``integers`` (n, INTEGERS) int64 and ``reals`` (n, REALS) float64, their ``slots`` (n, entities) by entity code, -1
    for none; filled are ``out`` (transactions, features) float64 and ``flags`` (transactions,) int64.
    """
    digest = int(source_digest()[:12], 16)

    def fold(
        words: Words, table: Words, integers: Words, reals: Matrix, slots: Words, out: Matrix, flags: Words
    ) -> None:
        scratch = np.empty(max(EVENT_LIMIT), np.float64)
        seen = np.zeros(1 + SEEN, np.int64)
        at = 0 * digest  # the closure over the digest is what keys the disk cache
        for event in range(len(integers)):
            label = integers[event, I_KIND] == LABEL
            if not label:
                row = out[at]
                row[:] = np.nan
                flags[at] = read_missing(integers[event], reals[event])
                read_request(integers[event], reals[event], row)
            for entity in range(len(ENTITIES)):
                slot = slots[event, entity]
                if slot < 0:
                    if not label:
                        flags[at] |= F_ABSENT << entity
                    continue
                if not label:
                    flags[at] |= read_flags(words, table, slot, entity, integers[event])
                    read_entity(words, table, slot, entity, integers[event], reals[event], scratch, seen, row)
                if not is_applied(words, table, slot, integers[event, I_SEQ]):
                    if label:
                        apply_label(words, table, slot, integers[event])
                    else:
                        apply_transaction(words, table, slot, integers[event], reals[event])
                    mark_applied(words, table, slot, integers[event, I_SEQ])
            if not label:
                at += 1

    return entry_point(fold)

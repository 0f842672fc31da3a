"""Applies transactions and outcomes to an entity's state."""

import numpy as np

from features.kernel_jit import jit
from features.kernel_tiles import TILED_LABEL_WINDOWS, TILED_WINDOWS, Words, add_to_tiles, put_real, real
from features.kernel_windows import Reals
from features.state_layout import (
    CARD,
    COUNTRY_SHIFT,
    CURRENCY_SHIFT,
    DEVICE_SHIFT,
    E_AMOUNT,
    E_CODES,
    E_OTHERS,
    E_TIME,
    EVENT_LIMIT,
    EVENT_WORDS,
    H_EVENT_START,
    H_EVENTS,
    H_FIRST_SEEN,
    H_FRAUDS,
    H_LABELLED,
    H_LATITUDE,
    H_LOCATED,
    H_LONGITUDE,
    H_NEWEST,
    H_NEWEST_LABEL,
    H_OUTCOME_START,
    H_OUTCOMES,
    H_TOTAL,
    HORIZON_US,
    I_CARD,
    I_COUNTRY,
    I_CURRENCY,
    I_DEVICE,
    I_LABEL_TIME,
    I_MCC,
    I_MERCHANT,
    I_TIME,
    I_WHICH,
    KEPT,
    MCC_SHIFT,
    MERCHANT_SHIFT,
    O_LABEL_TIME,
    O_TIME,
    O_WHICH,
    OUTCOME_LIMIT,
    OUTCOME_WORDS,
    R_AMOUNT,
    R_LATITUDE,
    R_LONGITUDE,
    T_ENTITY,
    T_EVENT_ROOM,
    T_EVENT_TILES,
    T_EVENTS,
    T_HEADER,
    T_OUTCOME_ROOM,
    T_OUTCOME_TILES,
    T_OUTCOMES,
)


@jit
def open_place(words: Words, base: int, room: int, width: np.int64, start_at: int, count_at: int, time: int) -> int:
    """Make room for a record at ``time`` in a section ordered by its first word; return where it goes.

    Records slide towards the end of the section as the oldest are dropped; at the end they move back to its start.
    """
    start, count = int(words[start_at]), int(words[count_at])
    if start + count == room:
        for word in range(count * width):
            words[base + word] = words[base + start * width + word]
        start = 0
        words[start_at] = 0
    at = base + (start + count) * int(width)
    oldest = base + start * int(width)
    while at > oldest and words[at - width] > time:
        for word in range(width):
            words[at + word] = words[at - width + word]
        at -= int(width)
    words[count_at] = count + 1
    return at


@jit
def apply_transaction(words: Words, table: Words, slot: int, integers: Words, reals: Reals) -> None:
    """Remember one transaction in the state of one of its entities."""
    entity, header, base = table[slot, T_ENTITY], table[slot, T_HEADER], table[slot, T_EVENTS]
    width, time = np.int64(EVENT_WORDS[entity]), integers[I_TIME]
    first = words[header + H_TOTAL] == 0
    words[header + H_FIRST_SEEN] = time if first else min(words[header + H_FIRST_SEEN], time)
    words[header + H_NEWEST] = time if first else max(words[header + H_NEWEST], time)
    words[header + H_TOTAL] += 1
    if entity == CARD and not np.isnan(reals[R_LATITUDE]) and not np.isnan(reals[R_LONGITUDE]):
        remember_place(words, header, time, reals)
    if words[header + H_EVENTS] == EVENT_LIMIT[entity]:
        oldest = base + words[header + H_EVENT_START] * width
        if time < words[oldest + E_TIME]:
            add_to_tiles(words, table[slot, T_EVENT_TILES], TILED_WINDOWS, time, reals[R_AMOUNT])
            return
        amount = real(words, oldest + E_AMOUNT)
        add_to_tiles(words, table[slot, T_EVENT_TILES], TILED_WINDOWS, words[oldest + E_TIME], amount)
        words[header + H_EVENT_START] += 1
        words[header + H_EVENTS] -= 1
    room = table[slot, T_EVENT_ROOM]
    at = open_place(words, base, room, width, header + H_EVENT_START, header + H_EVENTS, time)
    words[at + E_TIME] = time
    put_real(words, at + E_AMOUNT, reals[R_AMOUNT])
    if entity == CARD:
        words[at + E_OTHERS] = integers[I_MERCHANT] << MERCHANT_SHIFT | integers[I_DEVICE] << DEVICE_SHIFT
        codes = integers[I_MCC] << MCC_SHIFT | integers[I_COUNTRY] << COUNTRY_SHIFT
        words[at + E_CODES] = codes | integers[I_CURRENCY] << CURRENCY_SHIFT
    else:
        words[at + E_OTHERS] = integers[I_CARD]
    edge = words[header + H_NEWEST] - HORIZON_US
    while words[header + H_EVENTS] > KEPT and words[base + words[header + H_EVENT_START] * width + E_TIME] <= edge:
        words[header + H_EVENT_START] += 1
        words[header + H_EVENTS] -= 1


@jit
def remember_place(words: Words, header: int, time: int, reals: Reals) -> None:
    """Keep the place of the card's newest located transaction."""
    if words[header + H_LOCATED] == 0 or time >= words[header + H_LOCATED]:
        words[header + H_LOCATED] = time
        put_real(words, header + H_LATITUDE, reals[R_LATITUDE])
        put_real(words, header + H_LONGITUDE, reals[R_LONGITUDE])


@jit
def forget_earlier_label(words: Words, table: Words, slot: int, which: int, label_time: int) -> bool:
    """Drop the remembered label of the same transaction; False if that one is newer and stays."""
    header = table[slot, T_HEADER]
    base = table[slot, T_OUTCOMES] + words[header + H_OUTCOME_START] * OUTCOME_WORDS
    end = base + words[header + H_OUTCOMES] * OUTCOME_WORDS
    at = base
    while at < end and words[at + O_WHICH] >> 1 != which >> 1:
        at += OUTCOME_WORDS
    if at == end:
        return True
    if words[at + O_LABEL_TIME] > label_time:
        return False
    words[header + H_LABELLED] -= 1
    words[header + H_FRAUDS] -= words[at + O_WHICH] & 1
    words[header + H_OUTCOMES] -= 1
    for word in range(at, end - OUTCOME_WORDS):
        words[word] = words[word + OUTCOME_WORDS]
    return True


@jit
def apply_label(words: Words, table: Words, slot: int, integers: Words) -> None:
    """Remember the outcome of one transaction in the state of one of its entities; the last label wins."""
    entity, header, base = table[slot, T_ENTITY], table[slot, T_HEADER], table[slot, T_OUTCOMES]
    time, which = integers[I_TIME], integers[I_WHICH]
    label_time = max(integers[I_LABEL_TIME], time)  # nothing is known of a transaction before it happens
    if not forget_earlier_label(words, table, slot, which, label_time):
        return
    first = words[header + H_NEWEST_LABEL] == 0
    words[header + H_NEWEST_LABEL] = label_time if first else max(words[header + H_NEWEST_LABEL], label_time)
    words[header + H_LABELLED] += 1
    words[header + H_FRAUDS] += which & 1
    if words[header + H_OUTCOMES] == OUTCOME_LIMIT[entity]:
        oldest = base + words[header + H_OUTCOME_START] * OUTCOME_WORDS
        tiles = table[slot, T_OUTCOME_TILES]
        if time < words[oldest + O_TIME]:
            add_to_tiles(words, tiles, TILED_LABEL_WINDOWS, label_time, float(which & 1))
            return
        fraud = float(words[oldest + O_WHICH] & 1)
        add_to_tiles(words, tiles, TILED_LABEL_WINDOWS, words[oldest + O_LABEL_TIME], fraud)
        words[header + H_OUTCOME_START] += 1
        words[header + H_OUTCOMES] -= 1
    room = table[slot, T_OUTCOME_ROOM]
    at = open_place(words, base, room, np.int64(OUTCOME_WORDS), header + H_OUTCOME_START, header + H_OUTCOMES, time)
    words[at + O_TIME] = time
    words[at + O_LABEL_TIME] = label_time
    words[at + O_WHICH] = which
    edge = words[header + H_NEWEST_LABEL] - HORIZON_US
    while (
        words[header + H_OUTCOMES] > KEPT
        and words[base + words[header + H_OUTCOME_START] * OUTCOME_WORDS + O_LABEL_TIME] <= edge
    ):
        words[header + H_OUTCOME_START] += 1
        words[header + H_OUTCOMES] -= 1

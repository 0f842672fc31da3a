"""Reads sliding windows over an entity's remembered transactions."""

import math

import numpy as np
from numpy.typing import NDArray

from features.catalogue_request import SMALL_AMOUNT
from features.kernel_jit import jit
from features.kernel_tiles import TILED_WINDOWS, Words, newest_in_tiles, read_tiled_window, real
from features.state_layout import (
    DAY_US,
    E_AMOUNT,
    E_TIME,
    EVENT_WORDS,
    H_EVENT_START,
    H_EVENTS,
    H_NEWEST,
    T_ENTITY,
    T_EVENT_TILES,
    T_EVENTS,
    T_HEADER,
    WINDOW_US,
)

Reals = NDArray[np.float64]
Matrix = NDArray[np.float64]
Field = tuple[np.int64, np.int64, np.int64]  # word, shift, mask
S_COUNT, S_SUM, S_MEAN, S_STD, S_MAX, STATISTICS = range(6)
DISTINCT_US = (DAY_US, 7 * DAY_US)
SEEN = 2048  # places in the set of seen values: a power of two, well above the largest EVENT_LIMIT
_SPREAD = 2654435761  # Knuth's multiplicative hash


@jit
def event_range(words: Words, table: Words, slot: int, time: int) -> tuple[int, int, int]:
    """Return (first word of the oldest remembered transaction, first word after the last at or before time, width)."""
    width = EVENT_WORDS[table[slot, T_ENTITY]]
    header = table[slot, T_HEADER]
    begin = table[slot, T_EVENTS] + words[header + H_EVENT_START] * width
    end = begin + words[header + H_EVENTS] * width
    while end > begin and words[end - width + E_TIME] > time:
        end -= width
    return begin, end, width


@jit
def read_windows(words: Words, table: Words, slot: int, time: int, events: tuple[int, int, int], out: Matrix) -> None:
    """Fill ``out`` (windows, statistics) for the windows (time - window, time].

    Squares are summed of differences to the newest amount, so that equal amounts have a deviation of exactly 0.
    """
    begin, end, width = events
    tiles = table[slot, T_EVENT_TILES]
    late = time < words[table[slot, T_HEADER] + H_NEWEST]
    newest = newest_in_tiles(words, tiles, TILED_WINDOWS) if tiles >= 0 and late else 0
    at = end - width
    shift = real(words, at + E_AMOUNT) if at >= begin else 0.0
    count, total, offsets, squares, largest = 0, 0.0, 0.0, 0.0, -np.inf
    for window in range(len(WINDOW_US)):
        edge = time - WINDOW_US[window]
        while at >= begin and words[at + E_TIME] > edge:
            amount = real(words, at + E_AMOUNT)
            count += 1
            total += amount
            offsets += amount - shift
            squares += (amount - shift) * (amount - shift)
            largest = max(largest, amount)
            at -= width
        n, sum_, sum_offsets, sum_squares, max_ = count, total, offsets, squares, largest
        if tiles >= 0:
            more, more_sum, more_squares, more_max = read_tiled_window(
                words, tiles, TILED_WINDOWS, window, edge, time, newest
            )
            n += more
            sum_ += more_sum
            sum_offsets += more_sum - more * shift
            sum_squares += more_squares - 2.0 * shift * more_sum + more * shift * shift
            max_ = max(max_, more_max)
        out[window, S_COUNT] = n
        out[window, S_SUM] = sum_
        out[window, S_MEAN] = sum_ / n if n else np.nan
        variance = (sum_squares - sum_offsets * sum_offsets / n) / n if n else np.nan
        out[window, S_STD] = math.sqrt(max(variance, 0.0)) if n else np.nan
        out[window, S_MAX] = max_ if n else np.nan


@jit
def count_small(words: Words, events: tuple[int, int, int], edge: int) -> int:
    """Count remembered amounts of at most `SMALL_AMOUNT` that are later than ``edge``."""
    begin, end, width = events
    count = 0
    at = end - width
    while at >= begin and words[at + E_TIME] > edge:
        if real(words, at + E_AMOUNT) <= SMALL_AMOUNT:
            count += 1
        at -= width
    return count


@jit
def count_distinct(
    words: Words, events: tuple[int, int, int], field: Field, time: int, seen: Words, out: Reals
) -> None:
    """Fill ``out`` with the number of different values of a field in each of `DISTINCT_US`; 0 (missing) is no value.

    ``seen`` is a hash set; ``seen[0]`` numbers its uses, which saves clearing it.
    """
    begin, end, width = events
    word, shift, mask = field
    seen[0] += 1
    count = 0
    at = end - width
    for window in range(len(DISTINCT_US)):
        edge = time - DISTINCT_US[window]
        while at >= begin and words[at + E_TIME] > edge:
            value = (words[at + word] >> shift) & mask
            at -= width
            if value == 0:
                continue
            entry = (seen[0] << 32) | value
            place = ((value * _SPREAD) >> 16) & (SEEN - 1)
            while seen[1 + place] >> 32 == seen[0] and seen[1 + place] != entry:
                place = (place + 1) & (SEEN - 1)
            if seen[1 + place] != entry:
                seen[1 + place] = entry
                count += 1
        out[window] = count

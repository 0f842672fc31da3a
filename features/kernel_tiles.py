"""Tiles: coarse sums over a window's time line for what an entity no longer remembers one by one.

A window counts whole tiles. In order, all that was tiled lies at or before the time of reading: the tile at the old
edge counts if it holds anything of the window, so that the window reaches back further by less than a tile.

A late read has younger tiles than its own moment, and must not see them. Of the tile that holds its moment it takes
hourly tiles, or narrower ones, as far as they hold nothing younger: less than an hour is missed. And it looks further
back than others: rings are long enough for that, but not the hour's. A window whose own tiles no longer reach back to
its old edge is taken from the next one's.
"""

import numpy as np
from numpy.typing import NDArray

from features.kernel_jit import jit
from features.state_layout import (
    LABEL_RINGS,
    LABEL_WINDOW_US,
    RINGS,
    TILE_WORDS,
    TILES,
    WINDOW_US,
    X_COUNT,
    X_MAX,
    X_NEWEST,
    X_SQUARES,
    X_SUM,
)

Words = NDArray[np.int64]
Sums = tuple[int, float, float, float]
W_WIDTH, W_RING, W_BEGIN = range(3)  # of a window's tiles: their width, how many are kept, their first word
HOURLY = 3  # the window with hourly tiles, counted from the last; wider ones are made of whole hours


def _plan(windows: tuple[int, ...], rings: tuple[int, ...]) -> Words:
    begins = np.cumsum((0, *rings[:-1])) * TILE_WORDS
    return np.column_stack((np.array(windows) // TILES, rings, begins))


# Arrays, not tuples: those would compile once for each length.
TILED_WINDOWS = _plan(WINDOW_US, RINGS)
TILED_LABEL_WINDOWS = _plan(LABEL_WINDOW_US, LABEL_RINGS)


@jit
def real(words: Words, at: int) -> float:
    """Read a float64 that is stored as its bits."""
    return np.int64(words[at]).view(np.float64)


@jit
def put_real(words: Words, at: int, value: float) -> None:
    """Store a float64 as its bits."""
    words[at] = np.float64(value).view(np.int64)


@jit
def add_to_tiles(words: Words, base: int, windows: Words, time: int, value: float) -> None:
    """Add one value at ``time`` to the tiles of every window; what is older than a window's tiles is dropped."""
    for window in range(len(windows)):
        width = windows[window, W_WIDTH]
        number = time // width
        at = base + windows[window, W_BEGIN] + (number % windows[window, W_RING]) * TILE_WORDS
        there = words[at + X_NEWEST] // width
        if there < number:
            words[at + X_COUNT] = 1
            put_real(words, at + X_SUM, value)
            put_real(words, at + X_SQUARES, value * value)
            put_real(words, at + X_MAX, value)
            words[at + X_NEWEST] = time
        elif there == number:
            words[at + X_COUNT] += 1
            put_real(words, at + X_SUM, real(words, at + X_SUM) + value)
            put_real(words, at + X_SQUARES, real(words, at + X_SQUARES) + value * value)
            put_real(words, at + X_MAX, max(real(words, at + X_MAX), value))
            words[at + X_NEWEST] = max(words[at + X_NEWEST], time)


@jit
def newest_in_tiles(words: Words, base: int, windows: Words) -> int:
    """Return the newest moment that any tile holds, 0 if none holds any. It is in every window's ring."""
    newest = 0
    for tile in range(windows[-1, W_RING]):
        newest = max(newest, words[base + windows[-1, W_BEGIN] + tile * TILE_WORDS + X_NEWEST])
    return newest


@jit
def reaching(windows: Words, window: int, edge: int, newest: int) -> int:
    """Return the first window, from this one on, whose tiles reach back to ``edge``; else the last."""
    for at in range(window, len(windows) - 1):
        width = windows[at, W_WIDTH]
        if edge // width > newest // width - windows[at, W_RING]:
            return at
    return len(windows) - 1


@jit
def read_tiles(words: Words, base: int, windows: Words, window: int, edge: int, time: int) -> Sums:
    """Return count, sum, sum of squares and maximum of the tiles whose newest moment is in (edge, time]."""
    count, total, squares, largest = 0, 0.0, 0.0, -np.inf
    width, ring = windows[window, W_WIDTH], windows[window, W_RING]
    first = edge // width
    place = first % ring
    for _ in range(min(time // width - first + 1, ring)):
        at = base + windows[window, W_BEGIN] + place * TILE_WORDS
        place = place + 1 if place + 1 < ring else 0
        if edge < words[at + X_NEWEST] <= time:
            count += words[at + X_COUNT]
            total += real(words, at + X_SUM)
            squares += real(words, at + X_SQUARES)
            largest = max(largest, real(words, at + X_MAX))
    return count, total, squares, largest


@jit
def read_tiled_window(words: Words, base: int, windows: Words, window: int, edge: int, time: int, newest: int) -> Sums:
    """Return what tiles say of the window (edge, time].

    ``newest`` is the newest moment in any of them, or anything up to ``time`` if that is not after it.
    """
    if newest <= time:
        return read_tiles(words, base, windows, window, edge, time)
    source = reaching(windows, window, edge, newest)
    seam = time // windows[source, W_WIDTH] * windows[source, W_WIDTH] - 1  # the end of the last tile before now's
    narrow = min(reaching(windows, 0, seam + 1, newest), len(windows) - HOURLY)
    count, total, squares, largest = read_tiles(words, base, windows, source, edge, seam)
    more, more_total, more_squares, more_largest = read_tiles(words, base, windows, narrow, max(edge, seam), time)
    return count + more, total + more_total, squares + more_squares, max(largest, more_largest)

"""Tiles: coarse sums over a window's time line for what an entity no longer remembers one by one."""

import numpy as np
from numpy.typing import NDArray

from features.kernel_jit import jit
from features.state_layout import (
    LABEL_WINDOW_US,
    TILE_WORDS,
    TILES,
    WINDOW_TILE_WORDS,
    WINDOW_US,
    X_COUNT,
    X_INDEX,
    X_MAX,
    X_NEWEST,
    X_SQUARES,
    X_SUM,
)

Words = NDArray[np.int64]
TILED_WINDOWS = np.array(WINDOW_US)  # arrays, not tuples: those would compile once for each length
TILED_LABEL_WINDOWS = np.array(LABEL_WINDOW_US)


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
        index = time // (windows[window] // TILES)
        at = base + window * WINDOW_TILE_WORDS + (index % (TILES + 1)) * TILE_WORDS
        if words[at + X_COUNT] == 0 or words[at + X_INDEX] < index:
            words[at + X_INDEX] = index
            words[at + X_COUNT] = 1
            put_real(words, at + X_SUM, value)
            put_real(words, at + X_SQUARES, value * value)
            put_real(words, at + X_MAX, value)
            words[at + X_NEWEST] = time
        elif words[at + X_INDEX] == index:
            words[at + X_COUNT] += 1
            put_real(words, at + X_SUM, real(words, at + X_SUM) + value)
            put_real(words, at + X_SQUARES, real(words, at + X_SQUARES) + value * value)
            put_real(words, at + X_MAX, max(real(words, at + X_MAX), value))
            words[at + X_NEWEST] = max(words[at + X_NEWEST], time)


@jit
def read_tiles(words: Words, base: int, window: int, span: int, time: int) -> tuple[int, float, float, float]:
    """Return count, sum, sum of squares and maximum of the window's tiles that reach into (time - span, time].

    A tile at the old edge counts whole (at most one tile too much); a tile that holds anything later than ``time``
    does not count at all, so that nothing from the future is seen.
    """
    count, total, squares, largest = 0, 0.0, 0.0, -np.inf
    for tile in range(TILES + 1):
        at = base + window * WINDOW_TILE_WORDS + tile * TILE_WORDS
        newest = words[at + X_NEWEST]
        if words[at + X_COUNT] > 0 and time - span < newest <= time:
            count += words[at + X_COUNT]
            total += real(words, at + X_SUM)
            squares += real(words, at + X_SQUARES)
            largest = max(largest, real(words, at + X_MAX))
    return count, total, squares, largest

"""Brings states of earlier versions up to date.

Version 1 kept 25 tiles of every window, each with its number before its count. All of them are kept; what late events
may look for beyond them is not there, until a day has passed. Versions 1 and 2 had a single marker, in the header's
first word: there was one source of events, which is number 0 now.
"""

import numpy as np
from numpy.typing import NDArray

from features.state_layout import (
    H_MARKERS,
    H_TILED,
    LABEL_RINGS,
    LABEL_WINDOW_US,
    PREFIX,
    RINGS,
    TILE_WORDS,
    TILED_EVENTS,
    TILED_OUTCOMES,
    WINDOW_US,
)

Words = NDArray[np.int64]
OLD_RING, OLD_TILE_WORDS = 25, 6
OLD_EVENT_TILE_WORDS = len(WINDOW_US) * OLD_RING * OLD_TILE_WORDS
OLD_OUTCOME_TILE_WORDS = len(LABEL_WINDOW_US) * OLD_RING * OLD_TILE_WORDS
_NUMBER, _COUNT = 0, 1


def upgraded_words(words: Words, version: int) -> Words:
    """Return the words of a packed state of an earlier version, its prefix included, as they are laid out now."""
    return _with_markers(_with_rings(words) if version == 1 else words)


def _with_markers(words: Words) -> Words:
    marker = words[PREFIX + H_MARKERS]
    words = np.append(words, marker) if marker else words.copy()
    words[PREFIX + H_MARKERS] = bool(marker)
    return words


def _with_rings(words: Words) -> Words:
    tiled = int(words[PREFIX + H_TILED])
    events = OLD_EVENT_TILE_WORDS if tiled & TILED_EVENTS else 0
    outcomes = OLD_OUTCOME_TILE_WORDS if tiled & TILED_OUTCOMES else 0
    rest, old_events, old_outcomes = np.split(words, [len(words) - events - outcomes, len(words) - outcomes])
    return np.concatenate((rest, _rings(old_events, RINGS), _rings(old_outcomes, LABEL_RINGS)))


def _rings(tiles: Words, rings: tuple[int, ...]) -> Words:
    """Place tiles in rings of these sizes; where two meet, the younger stays."""
    new = [np.zeros((ring if len(tiles) else 0, TILE_WORDS), np.int64) for ring in rings]
    for window, old in zip(new, tiles.reshape(-1, OLD_RING, OLD_TILE_WORDS), strict=False):
        for tile in old[np.argsort(old[:, _NUMBER])]:
            if tile[_COUNT]:
                window[tile[_NUMBER] % len(window)] = tile[_COUNT:]
    return np.concatenate(new).ravel()

"""Weighted draws from many small tables at once."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class RowChoice:
    """Draws a column for each given row of a (rows, columns) table of weights.

    The cumulative shares of row r are stored shifted by r, which makes one increasing array: one binary search then
    serves draws from all rows.
    """

    def __init__(self, weights: Floats) -> None:
        self.columns = weights.shape[1]
        cumulative = weights.cumsum(axis=1)
        cumulative /= cumulative[:, -1:]
        self._flat = (cumulative + np.arange(len(weights))[:, None]).ravel()

    def draw(self, rng: np.random.Generator, row: Ints) -> Ints:
        """Return one column index for each entry of ``row``, shape (n,)."""
        position = np.searchsorted(self._flat, row + rng.random(row.size), side="right")
        column: Ints = position - row * self.columns
        return np.clip(column, 0, self.columns - 1)


def geometric_index(rng: np.random.Generator, size: int, columns: int, decay: float) -> Ints:
    """Return indexes below ``columns``; each is ``decay`` times as likely as the one before it."""
    shares = decay ** np.arange(columns)
    return np.minimum(np.searchsorted((shares / shares.sum()).cumsum(), rng.random(size), side="right"), columns - 1)

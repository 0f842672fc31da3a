"""The scorer's seam: a gradient-boosted model as the bundle serves it."""

from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
Vector = NDArray[np.float64]


class Scorer(Protocol):
    """A trained model over a feature matrix of shape (n, f), float32, NaN where a value is missing."""

    family: str  # "lightgbm", "xgboost" or "blend"

    @property
    def width(self) -> int:
        """Number of features it expects."""

    def margin(self, features: Matrix) -> Vector:
        """Raw log-odds before calibration, shape (n,). Single-threaded and the same for a row alone or in a batch."""

    def contributions(self, features: Matrix) -> Vector:
        """TreeSHAP attributions, shape (n, f + 1); the last column is the base value. Rows sum to the margin."""

    def save(self, directory: Path) -> Path:
        """Write the model file in its library's own safe format (UBJSON, text) and return its path."""


class TreeScorer(Scorer, Protocol):
    """One booster."""

    def shifted(self, offset: float) -> Self:
        """Return the same model with ``offset`` added to every margin, and to the base value of attributions."""

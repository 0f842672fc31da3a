"""Calibration: from a scorer's margin to log-odds that mean what they say.

A calibration is a small struct that knows how to apply itself and is stored as tagged JSON in the bundle's manifest.
All of them rise strictly with the margin, so that calibrating never changes a ranking. Another kind is another struct
in the `Calibration` union with the same methods. `models.calibration_fit` fits them.
"""

import math
from itertools import pairwise

import msgspec
import numpy as np

from models.scorer import Vector

_ALIKE = 1e-10  # margins this close to the base count as the base: a quotient of differences would be noise


class Platt(msgspec.Struct, frozen=True, tag="platt", tag_field="kind", forbid_unknown_fields=True):
    """Platt scaling (Platt 1999): log-odds = ``slope`` * margin + ``intercept``.

    Linear in log-odds, so attributions times the slope still add up to the served log-odds.
    """

    slope: float
    intercept: float

    def log_odds(self, margin: Vector) -> Vector:
        """Calibrated log-odds of each margin, shape (n,)."""
        return self.slope * margin + self.intercept

    def spread(self, margin: Vector, base: float) -> Vector:
        """What each row's attributions are multiplied by, shape (n,), so that they add up to its log-odds.

        It is (log_odds(margin) - log_odds(base)) / (margin - base): the slope, here.
        """
        del base
        return np.full(len(margin), self.slope)

    def adjusted(self, slope: float, intercept: float) -> "Platt":
        """Return the calibration that serves ``slope`` * log-odds + ``intercept`` of this one."""
        return Platt(slope * self.slope, slope * self.intercept + intercept)


class Beta(msgspec.Struct, frozen=True, tag="beta", tag_field="kind", forbid_unknown_fields=True):
    """Beta calibration (Kull, Silva Filho, Flach 2017): a ln p - b ln(1 - p) + c of the margin's probability p.

    In log-odds: slope ``low`` (a) far below 0 and slope ``high`` (b) far above it, with a smooth bend between. Both are
    at least 0 and not both 0.
    """

    low: float
    high: float
    intercept: float

    def __post_init__(self) -> None:
        """Refuse a calibration that does not rise."""
        if min(self.low, self.high) < 0 or self.low + self.high <= 0:
            raise ValueError("a beta calibration must rise")

    def log_odds(self, margin: Vector) -> Vector:
        """Calibrated log-odds of each margin, shape (n,)."""
        return self.high * np.logaddexp(0.0, margin) - self.low * np.logaddexp(0.0, -margin) + self.intercept

    def spread(self, margin: Vector, base: float) -> Vector:
        """What each row's attributions are multiplied by, as in `Platt.spread`."""
        share = float(probability(np.array([base]))[0])
        return _quotients(self, margin, base, self.low * (1 - share) + self.high * share)

    def adjusted(self, slope: float, intercept: float) -> "Beta":
        """Return the calibration that serves ``slope`` * log-odds + ``intercept`` of this one."""
        return Beta(slope * self.low, slope * self.high, slope * self.intercept + intercept)


class Isotonic(msgspec.Struct, frozen=True, tag="isotonic", tag_field="kind", forbid_unknown_fields=True):
    """Isotonic regression (Zadrozny and Elkan 2002) as a line through the centres of its steps, in log-odds.

    Straight between ``margins``, where it takes ``values``, and of ``slope`` beyond both ends: unlike the steps
    themselves, it keeps every difference in rank, and no log-odds are infinite.
    """

    margins: tuple[float, ...]
    values: tuple[float, ...]
    slope: float

    def __post_init__(self) -> None:
        """Refuse a calibration that does not rise."""
        rising = all(low < high for line in (self.margins, self.values) for low, high in pairwise(line))
        if not self.margins or len(self.margins) != len(self.values) or not rising or not self.slope > 0:
            raise ValueError("an isotonic calibration needs as many margins as values, both rising, and a slope")

    def log_odds(self, margin: Vector) -> Vector:
        """Calibrated log-odds of each margin, shape (n,)."""
        within = np.interp(margin, self.margins, self.values)
        beyond = np.minimum(margin - self.margins[0], 0.0) + np.maximum(margin - self.margins[-1], 0.0)
        return np.asarray(within + self.slope * beyond, dtype=np.float64)

    def spread(self, margin: Vector, base: float) -> Vector:
        """What each row's attributions are multiplied by, as in `Platt.spread`."""
        after = int(np.searchsorted(self.margins, base, side="right"))
        at_base = self.slope
        if 0 < after < len(self.margins):
            rise = self.values[after] - self.values[after - 1]
            at_base = rise / (self.margins[after] - self.margins[after - 1])
        return _quotients(self, margin, base, at_base)

    def adjusted(self, slope: float, intercept: float) -> "Isotonic":
        """Return the calibration that serves ``slope`` * log-odds + ``intercept`` of this one."""
        return Isotonic(self.margins, tuple(slope * value + intercept for value in self.values), slope * self.slope)


Calibration = Platt | Beta | Isotonic

IDENTITY = Platt(1.0, 0.0)


def kind_of(calibration: Calibration) -> str:
    """Return "platt", "beta" or "isotonic"."""
    return str(calibration.__struct_config__.tag)


def probability(log_odds: Vector) -> Vector:
    """1 / (1 + exp(-x)) without overflow."""
    return np.exp(-np.logaddexp(0.0, -np.asarray(log_odds, dtype=np.float64)))


def _quotients(calibration: Beta | Isotonic, margin: Vector, base: float, at_base: float) -> Vector:
    step = np.asarray(margin, dtype=np.float64) - base
    rise = calibration.log_odds(margin) - calibration.log_odds(np.array([base]))
    near = np.abs(step) <= _ALIKE * (1 + math.fabs(base))
    return np.where(near, at_base, rise / np.where(near, 1.0, step))

"""Amounts in cents: log-normal by merchant category, with the endings that prices have."""

import numpy as np

from streaming.simulator import sectors
from streaming.simulator.draws import Floats, Ints

MAX_CENTS = 5_000_000
_CASH_STEP_CENTS = 1_000


def draw_cents(rng: np.random.Generator, sector: Ints, level: Floats, spend: Floats) -> Ints:
    """Return amounts for merchants of ``sector`` and price ``level``, for customers with factor ``spend``."""
    factor = np.where(sectors.MEDIAN[sector] < 8, 1.0, spend)  # everybody pays the same for a bus ticket
    shape = 0.85 * sectors.SIGMA[sector]
    amount = sectors.MEDIAN[sector] * level * factor * np.exp(shape * rng.standard_normal(sector.size))
    return finish(rng, amount * 100, sector)


def finish(rng: np.random.Generator, cents: Floats, sector: Ints) -> Ints:
    """Give raw amounts the endings that prices have; all categories and all payers alike, so endings reveal nothing.

    The whole part never changes, so an amount under a limit stays there. Cash comes in steps.
    """
    whole = np.floor(np.clip(cents, 50, MAX_CENTS) / 100).astype(np.int64) * 100
    draw = rng.random(cents.size)
    ending = rng.integers(0, 100, cents.size)
    ending = np.where(
        draw < 0.22, 0, np.where(draw < 0.44, 99, np.where(draw < 0.54, 50, np.where(draw < 0.61, 95, ending)))
    )
    priced = whole + np.where((whole == 0) & (ending == 0), 99, ending)
    cash = np.maximum(1, np.rint(cents / _CASH_STEP_CENTS).astype(np.int64)) * _CASH_STEP_CENTS
    return np.where(sector == sectors.ATM, np.minimum(cash, MAX_CENTS), priced)

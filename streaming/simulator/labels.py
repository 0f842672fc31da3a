"""Labels: which transactions end up as fraud, and when that becomes known."""

import numpy as np
from numpy.typing import NDArray

from streaming.simulator import rows
from streaming.simulator.draws import Ints
from streaming.simulator.rhythm import DAY_MS
from streaming.simulator.rows import Rows
from streaming.simulator.scenario import LabelDelay

_SOONEST_MS = 10 * 60_000


def friendly_fraud(rng: np.random.Generator, honest: Rows, wanted: int) -> Ints:
    """Return ``wanted`` indexes of honest purchases online that their buyers dispute: the dearer, the likelier."""
    pool = np.flatnonzero(honest.channel == rows.ECOMMERCE)
    if pool.size < wanted:
        pool = np.arange(len(honest))
    # Weighted sampling without replacement by exponential keys (Efraimidis and Spirakis, 2006).
    keys = rng.exponential(size=pool.size) / np.sqrt(honest.cents[pool])
    return np.sort(pool[np.argsort(keys, kind="stable")[:wanted]])


def label_delay_ms(
    rng: np.random.Generator, is_fraud: NDArray[np.bool_], friendly: NDArray[np.bool_], delay: LabelDelay
) -> Ints:
    """Return milliseconds from event to label, shape (n,): see `LabelDelay`. Friendly fraud comes as chargebacks."""
    result = np.full(is_fraud.size, round(delay.honest_after_days * DAY_MS))
    found = np.flatnonzero(is_fraud)
    analyst = (rng.random(found.size) < delay.analyst_share) & ~friendly[found]
    median = np.where(analyst, delay.analyst_median_days, delay.chargeback_median_days)
    days = np.minimum(median * np.exp(delay.sigma * rng.standard_normal(found.size)), delay.max_days)
    result[found] = np.maximum(np.rint(days * DAY_MS), _SOONEST_MS).astype(np.int64)
    return result

"""The search for the highest rate that still holds."""

from collections.abc import Callable

PROBES = 9  # at most
FINE = 0.06  # the search ends when what holds and what does not are this close


def find_limit(holds: Callable[[float], bool], first: float) -> tuple[float | None, float | None]:
    """Return the highest rate found that ``holds``, and the lowest that does not; None where there is none.

    Doubles or halves from ``first`` until the limit lies between two rates, then halves what is between.
    """
    good: float | None = None
    bad: float | None = None
    rate = first
    for _ in range(PROBES):
        if holds(rate):
            good = rate
        else:
            bad = rate
        if good is None or bad is None:
            rate = rate * 2 if bad is None else rate / 2
        elif (bad - good) / bad <= FINE:
            break
        else:
            rate = (good + bad) / 2
    return good, bad

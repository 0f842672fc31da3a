"""Features that bring their own formula: what an entry of `features.catalogue_formulas` is made of.

A formula is a plain function of numbers that the compiler understands (numba's subset of Python), compiled into the
fold like everything else: training, streaming and REST run the same machine code.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.feature import Feature

Jit = Callable[[Callable[..., Any]], Callable[..., Any]]
Compute = Callable[["Payment", "Past", NDArray[np.float64]], float]


class Payment(NamedTuple):
    """The transaction that features are computed for.

    ``time`` in microseconds since 1970 UTC, ``amount`` in major units; ``integers`` (INTEGERS,) and ``reals`` (REALS,)
    hold the rest of it at the I_ and R_ places of `features.state_layout`.
    """

    time: int
    amount: float
    integers: NDArray[np.int64]
    reals: NDArray[np.float64]


class Past(NamedTuple):
    """The entity's remembered transactions at or before the payment, oldest first, each ``width`` words long.

    Walk them with ``for at in range(past.begin, past.end, past.width)`` and read ``past.words[at + E_TIME]`` (time) or
    ``np.int64(past.words[at + E_AMOUNT]).view(np.float64)`` (amount); `features.state_layout` names the other places.
    """

    words: NDArray[np.int64]
    begin: int
    end: int
    width: int


@dataclass(frozen=True, slots=True)
class Formula:
    """A catalogue entry together with how it is computed.

    ``compute`` takes the payment, the entity's past and the values of the features named in ``uses`` (float64, in that
    order; they must come earlier in the catalogue) and returns the value, NaN for a missing one.
    """

    feature: Feature
    compute: Compute
    uses: tuple[str, ...] = ()


def formula(feature: Feature, *, uses: tuple[str, ...] = ()) -> Callable[[Compute], Formula]:
    """Make a function the formula of ``feature``."""

    def make(compute: Compute) -> Formula:
        return Formula(feature, compute, uses)

    return make


def chained(formulas: list[Formula], column: Callable[[str], int], jit: Jit) -> Callable[..., None]:
    """Return one compiled function that fills the columns of all ``formulas``, in order."""

    @jit
    def nothing(payment: Payment, past: Past, row: NDArray[np.float64]) -> None:
        pass

    chain: Callable[..., None] = nothing
    for each in formulas:
        inputs = np.array([column(name) for name in each.uses], np.int64)
        chain = _then(chain, jit(each.compute), column(each.feature.name), inputs, jit)
    return chain


def _then(
    before: Callable[..., None],
    compute: Callable[..., float],
    to: int,
    inputs: NDArray[np.int64],
    jit: Jit,
) -> Callable[..., None]:
    def both(payment: Payment, past: Past, row: NDArray[np.float64]) -> None:
        before(payment, past, row)
        row[to] = compute(payment, past, row[inputs])

    return jit(both)

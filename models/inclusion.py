"""Training on partial labels: weights that undo how transactions were chosen to be investigated.

Labels exist only for what was investigated or let through. Where each labelled transaction's chance of that is known
(a review rule's, or that of a random exploration sample), weighting by its inverse makes the labelled rows stand for
all (Horvitz and Thompson 1952). The chances come as the column ``inclusion_probability`` of the canonical table.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import DataError
from features.table import INCLUSION
from models.scorer import Vector

WEIGHT_CAP = 50.0  # no row stands for more than this many: bounds the variance at the price of some bias


def inclusion_weights(table: pd.DataFrame, cap: float = WEIGHT_CAP) -> Vector | None:
    """Return 1 / inclusion probability, at most ``cap``, for each row of a canonical table, shape (n,), float64.

    Rows without a label get 0. None when the table has no such column: every labelled row then counts alike.
    Raises `DataError` where a labelled row's probability is missing or not in (0, 1].
    """
    if INCLUSION not in table.columns:
        return None
    chance = table[INCLUSION].to_numpy(dtype=np.float64)
    labelled = table["is_fraud"].notna().to_numpy()
    wrong = labelled & ~((chance > 0) & (chance <= 1))
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{np.count_nonzero(wrong)} labelled rows have no {INCLUSION} in (0, 1]; the first is row {row}: "
            f"{chance[row]}.",
            remedy="Give every labelled transaction the probability with which it was let through or investigated.",
        )
    weights = np.zeros(len(table))
    weights[labelled] = np.minimum(1 / chance[labelled], cap)
    return weights


def at_rows(weights: Vector | None, rows: NDArray[np.intp]) -> Vector | None:
    """Return the weights of some rows, scaled to a mean of 1 so that they count like that many rows."""
    if weights is None:
        return None
    scaled: Vector = weights[rows] / weights[rows].mean()
    return scaled

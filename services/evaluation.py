"""Which rows of a file a model may be evaluated on: labelled, and not of the time it was made from."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.errors import DataError
from models.manifest import DataSummary
from models.outcomes import Rows


@dataclass(frozen=True, slots=True)
class Unseen:
    """Positions of rows to evaluate on, and how many others were left out, by reason."""

    rows: Rows
    left_out: dict[str, int]


def unseen_rows(table: pd.DataFrame, data: DataSummary, since: pd.Timestamp | None = None) -> Unseen:
    """Choose the labelled rows of a canonical table from ``since`` on (UTC), or later than the training data ``data``.

    Rows from within the time of the training data are never among them: figures on what a model was made from flatter
    it. Raises `DataError` when none is left.
    """
    events = table["event_time"]
    start, end = pd.Timestamp(data.start), pd.Timestamp(data.end)
    seen = ((events >= start) & (events < end)).to_numpy()
    early = (events < (since or end)).to_numpy() & ~seen
    unlabelled = table["is_fraud"].isna().to_numpy() & ~seen & ~early
    rows = np.flatnonzero(~(seen | early | unlabelled))
    if not len(rows):
        raise DataError(
            f"None of the {len(table):,} transactions is labelled and later than the data that the model was trained "
            f"on, which end at {end}.",
            remedy="Give a file that reaches further; earlier data that the model has not seen need --since.",
        )
    counts = {"training_window": seen, "earlier": early, "unlabelled": unlabelled}
    return Unseen(rows, {name: int(which.sum()) for name, which in counts.items()})

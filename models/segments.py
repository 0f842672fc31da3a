"""Performance by segment: where a model does well, where badly, and where nobody can tell."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models import metrics
from models.outcomes import Outcomes

AMOUNT_BANDS = (0.0, 10.0, 50.0, 100.0, 500.0, 1000.0)
COLUMNS = {"channel": "Channel", "country": "Country", "mcc": "Merchant category (MCC)"}
LARGEST = 8  # values of a column shown on their own; the rest are one segment
MIN_FRAUDS = 20  # below this, one fraud more or less moves recall by more than five points
NOT_GIVEN = "not given"


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of the evaluated transactions, ``kind`` saying by what they were divided.

    ``average_precision``, ``caught`` (share of frauds reviewed or declined), ``false_alarms`` (share of genuine
    payments reviewed or declined) and ``expected_to_observed`` (mean score over fraud rate) are None in a segment with
    fewer than `MIN_FRAUDS` frauds: too small to judge.
    """

    kind: str
    name: str
    transactions: int
    frauds: int
    average_precision: float | None = None
    caught: float | None = None
    false_alarms: float | None = None
    expected_to_observed: float | None = None

    @property
    def too_small(self) -> bool:
        """Whether it holds too few frauds to say anything."""
        return self.average_precision is None


def segments(found: Outcomes, labelled: pd.DataFrame, known_card: NDArray[np.bool_]) -> list[Segment]:
    """Divide outcomes by amount band, channel, country, merchant category and by cards seen before or not.

    ``labelled`` are their rows of the canonical table, ``known_card`` (n,) says whether the card had been seen before
    the evaluated window. Columns without any value and segments without a transaction are
    left out.
    """
    return [
        _segment(kind, name, found, rows)
        for kind, divided in _divisions(found, labelled, known_card)
        for name, rows in divided
        if rows.any()
    ]


Division = list[tuple[str, NDArray[np.bool_]]]


def _divisions(
    found: Outcomes, labelled: pd.DataFrame, known_card: NDArray[np.bool_]
) -> Iterator[tuple[str, Division]]:
    yield "Amount", _bands(found.amount)
    for column, kind in COLUMNS.items():
        if labelled[column].notna().any():
            yield kind, _values(labelled[column])
    yield "Card", [("seen before this window", known_card), ("new in this window", ~known_card)]


def _bands(amount: NDArray[np.float64]) -> Division:
    edges = (*AMOUNT_BANDS, np.inf)
    names = [f"{low:,.0f} to under {high:,.0f}" for low, high in pairwise(edges[:-1])]
    names.append(f"{edges[-2]:,.0f} and more")
    return [(name, (amount >= low) & (amount < high)) for name, (low, high) in zip(names, pairwise(edges), strict=True)]


def _values(column: "pd.Series[str]") -> Division:
    values = column.astype(object).where(column.notna(), None)
    largest = values.value_counts().index[:LARGEST].tolist()
    missing = values.isna().to_numpy()
    others = ~values.isin(largest).to_numpy() & ~missing
    divided = [(str(value), (values == value).to_numpy()) for value in largest]
    return [*divided, ("all others", others), (NOT_GIVEN, missing)]


def _segment(kind: str, name: str, found: Outcomes, rows: NDArray[np.bool_]) -> Segment:
    truth, score, flagged = found.truth[rows], found.score[rows], found.flagged[rows]
    count, frauds = len(truth), int(truth.sum())
    if frauds < MIN_FRAUDS or frauds == count:
        return Segment(kind, name, count, frauds)
    return Segment(
        kind,
        name,
        count,
        frauds,
        average_precision=metrics.average_precision(truth, score),
        caught=float(flagged[truth].mean()),
        false_alarms=float(flagged[~truth].mean()),
        expected_to_observed=float(score.sum()) / frauds,
    )

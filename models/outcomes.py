"""Outcomes: labelled transactions beside what a model and a policy made of them, ready to be measured."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import DataError
from models.inclusion import at_rows, inclusion_weights
from models.policy import Policy
from models.scorer import Matrix, Vector

Bools = NDArray[np.bool_]
Rows = NDArray[np.intp]


class Model(Protocol):
    """Whatever scores like a bundle."""

    def score(self, features: Matrix) -> Vector:
        """Calibrated probability of fraud, shape (n,)."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Labelled transactions; every array has shape (n,).

    ``rows`` are their positions in the table they come from, ``card`` numbers their cards from 0, ``day`` is the UTC
    day since 1970, ``verdict`` what the policy says of each (empty where there is none). ``weight`` says how much each
    counts, 1 on average, where labels are a selection (`models.inclusion`).
    """

    rows: Rows
    truth: Bools
    score: Vector
    amount: Vector
    card: NDArray[np.int64]
    day: NDArray[np.int64]
    verdict: NDArray[np.str_]
    weight: Vector | None = None

    @property
    def flagged(self) -> Bools:
        """Whether each was reviewed or declined."""
        return np.asarray(self.verdict != "approve")


def outcomes(model: Model, table: pd.DataFrame, features: Matrix, policy: Policy | None = None) -> Outcomes:
    """Score the labelled rows of a canonical table by their features (n, f); raises `DataError` when there are none."""
    if len(table) != len(features):
        raise DataError(
            f"{len(table)} transactions but {len(features)} feature rows.", remedy="Compute features from this table."
        )
    rows = np.flatnonzero(table["is_fraud"].notna())
    if not len(rows):
        raise DataError("No row to evaluate on has a label.", remedy="Map the label column, or wait for labels.")
    labelled = table.iloc[rows]
    score = model.score(features[rows])
    amount = labelled["amount"].to_numpy(dtype=float)
    decided = zip(score.tolist(), amount.tolist(), strict=True) if policy else ()
    return Outcomes(
        rows=rows,
        truth=labelled["is_fraud"].to_numpy(dtype=bool),
        score=score,
        amount=amount,
        card=pd.factorize(labelled["card_id"])[0].astype(np.int64),
        day=(pd.DatetimeIndex(labelled["event_time"]).as_unit("s").asi8 // 86_400).astype(np.int64),
        verdict=np.array([policy.decide(p, a) for p, a in decided] if policy else [], dtype=str),
        weight=at_rows(inclusion_weights(table), rows),
    )

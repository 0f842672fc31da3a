"""The anomaly score: how unlike the traffic seen in training a payment is, learnt without labels.

It is there for fraud that no label has told of yet. Each watched feature surprises by the share of training payments
with as high a value, in bits: one in 1,024 is a surprise of 10. The `STRONGEST` surprises of a payment add up, and the
sum becomes a percentile of recent traffic. That is ECOD (Li et al. 2022) on upper tails alone, cut to the largest
terms: summing all of them drowns the two or three features that a new kind of fraud moves.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from features.errors import BundleError
from models.reasons import Reason, feature_reason
from models.scorer import Matrix, Vector

FILE_NAME = "anomaly.json"
UNLIKE_TRAINING = "UNLIKE_TRAINING"  # the reason code of a payment that is reviewed for its anomaly score
STEP_BITS = 0.25
STRONGEST = 3


class AnomalyTables(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``anomaly.json``.

    ``knots`` has a row for each of ``features``, ascending: from its i-th value (from 0) up the surprise is at least
    (i + 1) * `STEP_BITS`. ``less_unusual`` holds, for each sum of surprises in steps from 0, the share of recent
    genuine payments below it. ``percentiles`` are those expected of the bundle's probes.
    """

    features: tuple[str, ...]
    knots: list[list[float]]
    less_unusual: list[float]
    percentiles: list[float] = []


class Anomaly:
    """Scores feature matrices of shape (n, f), columns in the order of ``names``. Missing values surprise nobody."""

    def __init__(self, tables: AnomalyTables, names: Sequence[str]) -> None:
        self.tables = tables
        self._columns = np.array([names.index(name) for name in tables.features], dtype=np.intp)
        self._knots = [np.array(row, dtype=np.float32) for row in tables.knots]
        self._less_unusual = np.array(tables.less_unusual)

    def percentile(self, features: Matrix) -> Vector:
        """Share of recent genuine payments that are less unusual, shape (n,), float64, 0 to 1."""
        return np.asarray(self._less_unusual[self.steps(features)])

    def steps(self, features: Matrix) -> NDArray[np.intp]:
        """Sum of the strongest surprises, shape (n,), in steps of `STEP_BITS`: goes on where percentiles end at 1."""
        total: NDArray[np.intp] = np.sort(self._surprises(features), axis=0)[-STRONGEST:].sum(axis=0)
        return total

    def reasons(self, features: Matrix) -> list[Reason]:
        """Say why one row of shape (f,) is unusual: `UNLIKE_TRAINING`, then its strongest features; in bits."""
        row = features[np.newaxis]
        bits = self._surprises(row)[:, 0] * STEP_BITS
        reasons = [
            Reason(
                UNLIKE_TRAINING,
                "unlike the traffic seen in training",
                float(self.steps(row)[0] * STEP_BITS),
                float(self.percentile(row)[0]),
            )
        ]
        for place in np.argsort(-bits, kind="stable")[:STRONGEST]:
            if bits[place] > 0:
                value = float(features[self._columns[place]])
                reasons.append(feature_reason(self.tables.features[place], float(bits[place]), value))
        return reasons

    def _surprises(self, features: Matrix) -> NDArray[np.intp]:
        """Steps of surprise of each watched feature, shape (watched, n)."""
        columns = np.nan_to_num(features[:, self._columns].T, nan=-np.inf)
        return np.array(
            [knots.searchsorted(column, "right") for knots, column in zip(self._knots, columns, strict=True)]
        )


def anomaly_from_bytes(content: bytes, source: str, names: Sequence[str]) -> Anomaly:
    """Parse ``anomaly.json`` of a bundle with feature ``names``; raise `BundleError` that names ``source``."""
    remedy = "Restore the file from a backup or train again."
    try:
        tables = msgspec.json.decode(content, type=AnomalyTables)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BundleError(f"{source} cannot be read: {error}.", remedy=remedy) from error
    unknown = [name for name in tables.features if name not in names]
    steps = sum(sorted((len(row) for row in tables.knots), reverse=True)[:STRONGEST])
    if unknown or not tables.features or len(tables.knots) != len(tables.features):
        raise BundleError(f"{source} does not fit the bundle's features: {unknown[:5]}.", remedy=remedy)
    if len(tables.less_unusual) != steps + 1 or not _ascending(tables.less_unusual, *tables.knots):
        raise BundleError(f"{source} holds tables that are not in order.", remedy=remedy)
    return Anomaly(tables, names)


def _ascending(*rows: list[float]) -> bool:
    return all(bool((np.diff(row) >= 0).all()) for row in rows)

"""What a training says about itself in the bundle: metrics by window, a summary of the data, rows to probe with."""

import hashlib
from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.table import INCLUSION
from models import metrics
from models.calibrated_model import CalibratedModel
from models.calibration import probability
from models.fitting import Sample
from models.manifest import DataSummary
from models.recalibration import agreement
from models.scorer import Matrix
from models.splits import Rows, TimeSplit

PROBES = 16
HASHED = ["transaction_id", "event_time", "card_id", "merchant_id", "amount", "is_fraud", "label_time"]


def window_metrics(
    model: CalibratedModel, samples: Mapping[str, Sample], split: TimeSplit
) -> dict[str, dict[str, float]]:
    """Return the metrics on each window after the training window, weighted where labels are a selection."""
    report = {}
    for window in split.windows[1:]:
        sample = samples[window.name]
        log_odds = model.log_odds(sample.features)
        score, fraud, weights = probability(log_odds), sample.is_fraud, sample.weights
        agrees = agreement(fraud, log_odds, weights)
        report[window.name] = {
            "rows": float(len(window.rows)),
            "frauds": float(window.frauds),
            "fraud_rate": agrees.fraud_rate,
            "auc": metrics.auc(fraud, score, weights),
            "average_precision": metrics.average_precision(fraud, score, weights),
            "brier": metrics.brier(fraud, score, weights),
            "expected_calibration_error": agrees.expected_calibration_error,
            "recalibration_slope": agrees.slope,
            "recalibration_intercept": agrees.intercept,
        }
    return report


def summary(table: pd.DataFrame, features: Matrix, split: TimeSplit) -> DataSummary:
    """Describe the labelled rows that the model was built from; the hash follows their content and features."""
    rows = np.concatenate([window.rows for window in (split.train, split.validation, split.calibration)])
    return DataSummary(
        start=split.train.start.to_pydatetime(),
        end=split.calibration.end.to_pydatetime(),
        as_of=split.as_of.to_pydatetime(),
        rows=len(rows),
        frauds=split.train.frauds + split.validation.frauds + split.calibration.frauds,
        sha256=content_hash(table, features, rows),
    )


def content_hash(table: pd.DataFrame, features: Matrix, rows: Rows) -> str:
    """Return the sha-256 of some rows' content, labels and features."""
    hashed = [*HASHED, INCLUSION] if INCLUSION in table.columns else HASHED
    digest = hashlib.sha256(pd.util.hash_pandas_object(table[hashed].iloc[rows], index=False).to_numpy().tobytes())
    digest.update(np.ascontiguousarray(features[rows]).tobytes())
    return digest.hexdigest()


def probes(features: Matrix, split: TimeSplit) -> Matrix:
    """Return a few rows, spread over the calibration window."""
    spread = np.linspace(0, len(split.calibration.rows) - 1, PROBES).round().astype(int)
    rows: Matrix = features[split.calibration.rows[spread]]
    return rows

"""Re-calibration of the champion: the same trees, a calibration fitted to recent labels, a new bundle version.

The fallback that stands beside it moves by what the same rows say: it answers in the champion's stead, and a change in
the fraud rate is the same for both. It keeps its shape, since what a request tells is too little to learn another from
a few hundred frauds. The anomaly score knows no labels and stays as it is.
"""

import hashlib
from dataclasses import asdict, dataclass, replace

import msgspec
import pandas as pd

from features.progress import Step
from models.bundle import Bundle
from models.bundle_writer import parts_of
from models.calibrated_model import CalibratedModel
from models.fallback import Fallback
from models.fitting import Sample
from models.inclusion import at_rows, inclusion_weights
from models.manifest import DataSummary
from models.recalibration import Agreement, Recalibrated, recalibrated
from models.scorer import Matrix
from models.splits import Rows, mature_rows
from models.train_report import content_hash
from services.bundle_features import BundleFeatures
from services.champion import champion, install, policy
from services.registry import Alias
from services.state_directory import StateDirectory
from services.training import before
from streaming.scoring import utc_now


@dataclass(frozen=True, slots=True)
class Recalibration:
    """What was done: ``bundle`` is the new version and ``alias`` what it is now.

    Both are None where re-calibrating would not have helped. ``fallback`` is what the same rows say of the fallback;
    None where there is none.
    """

    old: Bundle
    bundle: Bundle | None
    alias: Alias | None
    result: Recalibrated
    fallback: Recalibrated | None
    since: pd.Timestamp
    rows: int
    frauds: int


def recalibrate(
    state: StateDirectory,
    table: pd.DataFrame,
    *,
    since: pd.Timestamp | None = None,
    until: pd.Timestamp | None = None,
    step: Step,
) -> Recalibration:
    """Fit the champion's calibration to the mature labelled rows of a canonical table and install the outcome.

    Rows from ``since`` on (UTC) are used; by default those after the data that the champion was built from. Earlier
    rows only give the features their history. ``until`` is the moment of re-calibrating, by default the last event:
    what came to light later has no part in it, and can judge the outcome. Nothing is installed unless the later half of
    the frauds, held out, says that it helps; the policy stays. Raises `DataError` for too few frauds.
    """
    old = champion(state)
    table = table if until is None else before(table, until)
    first = pd.Timestamp(old.manifest.data.end) if since is None else since
    rows = mature_rows(table, first)
    features = BundleFeatures(state, table, step).of(old)
    fraud = table["is_fraud"].iloc[rows].to_numpy(dtype=bool)
    sample = Sample(features[rows], fraud, at_rows(inclusion_weights(table), rows))
    result = recalibrated(old.model.calibration, old.model.scorer.margin(sample.features), fraud, sample.weights)
    of_fallback = _recalibrated_fallback(old.fallback, sample)
    bundle, alias = None, None
    if result.helps:
        parts = replace(
            parts_of(old),
            model=CalibratedModel(old.model.scorer, result.calibration),
            data=_summary(old.manifest.data, table, features, rows),
            metrics=old.manifest.metrics | _metrics("recalibration", result),
        )
        if old.fallback is not None and of_fallback is not None and of_fallback.helps:
            fallback = old.fallback.calibrated_by(of_fallback.calibration)
            metrics = parts.metrics | _metrics("fallback_recalibration", of_fallback)
            parts = replace(parts, companions=replace(parts.companions, fallback=fallback), metrics=metrics)
        bundle, alias = install(state, parts, policy(state), utc_now())
    return Recalibration(old, bundle, alias, result, of_fallback, first, len(rows), int(fraud.sum()))


def _recalibrated_fallback(fallback: Fallback | None, sample: Sample) -> Recalibrated | None:
    if fallback is None:
        return None
    margin = fallback.margin(sample.features)
    return recalibrated(fallback.head.calibration, margin, sample.is_fraud, sample.weights, rule="intercept")


def _summary(old: DataSummary, table: pd.DataFrame, features: Matrix, rows: Rows) -> DataSummary:
    """Add the recent rows to the data that the bundle says it was built from, so that none is taken for unseen."""
    added = rows[(table["event_time"].iloc[rows] >= pd.Timestamp(old.end)).to_numpy()]
    last = table["event_time"].iloc[rows[-1]] + pd.Timedelta(1, "us")
    both = f"{old.sha256}{content_hash(table, features, rows)}"
    return msgspec.structs.replace(
        old,
        end=max(old.end, last.to_pydatetime()),
        as_of=max(old.as_of, table["event_time"].iloc[-1].to_pydatetime()),
        rows=old.rows + len(added),
        frauds=old.frauds + int(table["is_fraud"].iloc[added].sum()),
        sha256=hashlib.sha256(both.encode()).hexdigest(),
    )


def _metrics(name: str, result: Recalibrated) -> dict[str, dict[str, float]]:
    return {f"{name}_before": _floats(result.before), f"{name}_after": _floats(result.after)}


def _floats(agreement: Agreement) -> dict[str, float]:
    return {name: float(value) for name, value in asdict(agreement).items()}

"""Two versions of a state directory on the same labelled rows of a data set."""

from datetime import datetime

import msgspec
import numpy as np
import pandas as pd

from features.progress import Step
from models import metrics
from models.comparison import Difference, SegmentDifference, by_segment, differences, moves
from models.segments import first_seen, segments
from services.bundle_features import BundleFeatures
from services.champion import served
from services.gate import select
from services.state_directory import StateDirectory


class ModelComparison(msgspec.Struct, frozen=True, kw_only=True):
    """What `compare` found. ``moves`` counts payments by the verdicts of the first and of the second."""

    first: str
    second: str
    start: datetime
    end: datetime
    rows: int
    frauds: int
    left_out: dict[str, int]
    figures: dict[str, Difference]
    calibration_error: tuple[float, float]
    segments: list[SegmentDifference]
    moves: dict[str, dict[str, int]]


def compare(
    state: StateDirectory, first: str, second: str, table: pd.DataFrame, *, since: pd.Timestamp | None, step: Step
) -> ModelComparison:
    """Compare two versions on the rows of ``table`` that neither was trained on, each under its own policy."""
    one, other = served(state, first), served(state, second)
    chosen = select(table, [one.bundle, other.bundle], since)
    features = BundleFeatures(state, table, step)
    seen = table.iloc[chosen.rows]
    truth = seen["is_fraud"].to_numpy(dtype=bool)
    cards = pd.factorize(seen["card_id"].astype(str))[0]
    scores = (
        one.bundle.score(features.of(one.bundle)[chosen.rows]),
        other.bundle.score(features.of(other.bundle)[chosen.rows]),
    )
    tell = step("comparing")
    tell(0, 2)
    figures = differences(truth, cards, *scores)
    tell(1, 2)
    found = by_segment(truth, cards, segments(seen, first_seen(table).iloc[chosen.rows]), *scores)
    tell(2, 2)
    return ModelComparison(
        first=first,
        second=second,
        start=seen["event_time"].iloc[0].to_pydatetime(),
        end=seen["event_time"].iloc[-1].to_pydatetime(),
        rows=len(seen),
        frauds=int(np.count_nonzero(truth)),
        left_out=chosen.left_out,
        figures=figures,
        calibration_error=(
            metrics.expected_calibration_error(truth, scores[0]),
            metrics.expected_calibration_error(truth, scores[1]),
        ),
        segments=found,
        moves=moves((scores[0], one.policy), (scores[1], other.policy), seen["amount"].to_numpy(dtype=float), truth),
    )

"""Everything that a model card says of a model's performance, measured on one window of transactions."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.progress import Progress
from models.bundle import Bundle
from models.campaigns import CampaignRecall, recall_by_campaign
from models.curves import Curve, low_roc, precision_recall
from models.evaluate import CALIBRATION_BINS, RESAMPLES, Figures, figures
from models.importance import Importance, importances
from models.outcomes import Rows, outcomes
from models.policy import Policy
from models.reliability import Bin, Line, calibration_line, reliability_bins
from models.scorer import Matrix, Vector
from models.segment_figures import Segment, segment_figures
from models.segments import first_seen, segments
from models.stability import Week, weeks

EXPLAINED = 500  # attributions are dear: 5 to 10 ms a row
REFERENCE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Assessment:
    """A bundle under a policy on the window from ``start`` to ``end`` (UTC).

    ``unseen`` is False where the window had a part in making the model. ``currency`` is None where amounts of several
    currencies were added up. ``reference`` names the scores that the weeks are compared with. ``idle`` are features
    without two different values in the window. ``explained`` rows stand behind ``importances``.
    """

    start: datetime
    end: datetime
    unseen: bool
    unlabelled: int
    currency: str | None
    figures: Figures
    precision_recall: Curve
    low_roc: Curve
    bins: list[Bin]
    line: Line
    segments: list[Segment]
    weeks: list[Week]
    reference: str
    importances: list[Importance]
    explained: int
    idle: list[str]
    campaigns: list[CampaignRecall]

    @property
    def expected_to_observed(self) -> float:
        """Frauds that the scores add up to, over those that happened: 1 is right."""
        expected = sum(one.predicted * one.transactions for one in self.bins)
        return expected / self.figures.values["n_fraud"]

    @property
    def largest_psi(self) -> float:
        """The population stability index of the week whose scores differ most."""
        return max(week.psi for week in self.weeks)


def assess(
    bundle: Bundle,
    table: pd.DataFrame,
    features: Matrix,
    rows: Rows,
    policy: Policy,
    *,
    unseen: bool = True,
    campaigns: pd.DataFrame | None = None,
    resamples: int = RESAMPLES,
    progress: Progress | None = None,
) -> Assessment:
    """Assess ``bundle`` under ``policy`` on ``rows`` of a canonical table and its features (n, f).

    ``rows`` are ascending positions, with both classes among their labels; rows before them tell since when a
    card has been known. ``campaigns`` is as for `models.campaigns.recall_by_campaign`.
    """
    features = bundle.whole(features)
    window, matrix = table.iloc[rows], features[rows]
    found = outcomes(bundle, window, matrix, policy)
    labelled = window.iloc[found.rows]
    seen = first_seen(table).iloc[rows].iloc[found.rows]
    scores, reference = _reference(bundle, table, features, found.score, found.day)
    spread = np.unique(np.linspace(0, len(rows) - 1, min(EXPLAINED, len(rows))).round().astype(int))
    currencies = labelled["currency"].astype(str).unique()
    return Assessment(
        start=window["event_time"].iloc[0].to_pydatetime(),
        end=window["event_time"].iloc[-1].to_pydatetime(),
        unseen=unseen,
        unlabelled=len(window) - len(labelled),
        currency=str(currencies[0]) if len(currencies) == 1 else None,
        figures=figures(found, policy, resamples=resamples, progress=progress),
        precision_recall=precision_recall(found.truth, found.score),
        low_roc=low_roc(found.truth, found.score),
        bins=reliability_bins(found.truth, found.score, CALIBRATION_BINS),
        line=calibration_line(found.truth, found.score),
        segments=segment_figures(found, segments(labelled, seen)),
        weeks=weeks(found, scores),
        reference=reference,
        importances=importances(bundle, matrix[spread], bundle.feature_names),
        explained=len(spread),
        idle=_idle(matrix, bundle.feature_names),
        campaigns=[] if campaigns is None else recall_by_campaign(found, labelled["transaction_id"], campaigns),
    )


def _reference(
    bundle: Bundle,
    table: pd.DataFrame,
    features: Matrix,
    score: Vector,
    day: NDArray[np.int64],
) -> tuple[Vector, str]:
    """Return the scores of the last week of the training data, or else those of the window's own first week."""
    end = pd.Timestamp(bundle.manifest.data.end)
    last = np.flatnonzero((table["event_time"] < end) & (table["event_time"] >= end - REFERENCE))
    if len(last):
        return bundle.score(features[last]), "the last week of the training data"
    return score[day < day.min() + REFERENCE.days], "the first week of this window"


def _idle(features: Matrix, names: tuple[str, ...]) -> list[str]:
    # np.fmin and np.fmax pass over NaN; a column of nothing else stays NaN and equals nothing.
    low, high = np.fmin.reduce(features), np.fmax.reduce(features)
    return [name for name, lowest, highest in zip(names, low, high, strict=True) if not lowest < highest]

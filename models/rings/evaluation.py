"""Whether the network earns its place: trees, trees with plain neighbour aggregates, and those with the ring score too.

All three are fitted on the same window and measured on the same later one, at the data's own fraud rate. The trees see
only ring scores of transactions that the network was not fitted on: the training window is cut into `FOLDS` parts by
time, each but the first is scored by a network fitted on those before it, and everything after the window by one fitted
on all of it. Trees are fitted with several seeds and averaged, so that luck weighs less.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import DataError
from features.progress import Step
from models.comparison import Difference, differences
from models.fitting import MAX_ROUNDS, Sample, fit_lightgbm
from models.gate_report import Check
from models.resampling import RESAMPLES
from models.rings.aggregates import aggregates
from models.rings.graph import RingGraph
from models.rings.payments import Payments
from models.scorer import Matrix, Vector
from models.splits import TimeSplit, Window

Bools = NDArray[np.bool_]
Score = Callable[[Payments], Vector]
FOLDS = 3
TREE_SEEDS = 2
ALL, RINGS, OTHER = "all", "rings", "other"
LOSS_BOUND = 0.02  # of average precision on other fraud


class Train(Protocol):
    """Fits a network on payments (n,) and their truth, and returns what scores payments: log-odds of fraud (n,)."""

    def __call__(self, payments: Payments, is_fraud: Bools, seed: int) -> Score:
        """Fit."""


class Uplift(msgspec.Struct, frozen=True, kw_only=True):
    """Average precision on one kind of fraud among all genuine payments, by the three ways to score.

    Differences have 95 % intervals, drawn over cards.
    """

    frauds: int
    trees: float
    with_aggregates: float
    with_network: float
    network_alone: float
    aggregates_over_trees: Difference
    network_over_aggregates: Difference


class RingReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the network showed on the test window; ``checks`` all pass or it is not served. Times are UTC."""

    start: str
    end: str
    rows: int
    edges: int
    uplift: dict[str, Uplift]
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)


def out_of_fold(split: TimeSplit, payments: Payments, is_fraud: Bools, train: Train, seed: int, step: Step) -> Vector:
    """Return ring scores (n,), each by a network that was fitted on earlier transactions; NaN where there is none."""
    scores = np.full(len(is_fraud), np.nan)
    rows = split.train.rows
    folds = np.array_split(rows, FOLDS)
    later = np.concatenate([window.rows for window in split.windows[1:]])
    tell = step("fitting networks")
    tell(0, FOLDS)
    for fold in range(FOLDS):
        seen = np.concatenate(folds[: fold + 1])
        scored = folds[fold + 1] if fold + 1 < FOLDS else later
        score = train(payments.take(seen), is_fraud[seen], seed + fold)
        scores[scored] = score(payments.take(scored))
        tell(fold + 1, FOLDS)
    return scores


def compare(
    table: pd.DataFrame,
    features: Matrix,
    split: TimeSplit,
    graph: RingGraph,
    payments: Payments,
    scores: Vector,
    *,
    is_ring: Bools | None = None,
    seed: int = 0,
    rounds: int = MAX_ROUNDS,
    resamples: int = RESAMPLES,
    step: Step,
) -> RingReport:
    """Fit the three kinds of trees and hold them against each other on the test window.

    ``scores`` (n,) are those of `out_of_fold`. ``is_ring`` (n,) tells which transactions are of rings, where that is
    known: then rings must gain and other fraud must not lose; without it, all fraud together must gain.
    Raises `DataError` when there is no test window.
    """
    if split.test is None:
        raise DataError(
            "There is no test window to measure the network on: no labelled rows are left after the training data.",
            remedy="Give data that reach further.",
        )
    is_fraud = (table["is_fraud"] == 1).to_numpy(dtype=bool)
    needed = np.concatenate([split.train.rows, split.validation.rows, split.test.rows])
    beside = np.full((len(table), 0), np.nan, np.float32)
    tell = step("aggregating neighbours")
    tell(0, 1)
    found = aggregates(graph, payments.nodes[needed], payments.moments[needed])
    beside = np.full((len(table), found.shape[1]), np.nan, np.float32)
    beside[needed] = found
    tell(1, 1)
    ring_score = scores.astype(np.float32)[:, np.newaxis]
    columns = {
        "trees": (features,),
        "with_aggregates": (features, beside),
        "with_network": (features, beside, ring_score),
    }
    tell = step("fitting trees")
    tell(0, len(columns))
    margins: dict[str, Vector] = {}
    for done, (name, parts) in enumerate(columns.items()):
        margins[name] = _fitted(parts, is_fraud, split, split.test, seed, rounds)
        tell(done + 1, len(columns))
    rows = split.test.rows
    margins["network_alone"] = scores[rows]
    uplift = {
        kind: _uplift(wanted, is_fraud[rows], pd.factorize(table["card_id"].iloc[rows])[0], margins, resamples, seed)
        for kind, wanted in _kinds(is_fraud[rows], None if is_ring is None else is_ring[rows]).items()
    }
    return RingReport(
        start=str(split.test.start),
        end=str(split.test.end),
        rows=len(rows),
        edges=graph.edges,
        uplift=uplift,
        checks=tuple(_checks(uplift)),
    )


def _kinds(is_fraud: Bools, is_ring: Bools | None) -> dict[str, Bools]:
    if is_ring is None:
        return {ALL: is_fraud}
    return {ALL: is_fraud, RINGS: is_fraud & is_ring, OTHER: is_fraud & ~is_ring}


def _fitted(parts: Sequence[Matrix], is_fraud: Bools, split: TimeSplit, test: Window, seed: int, rounds: int) -> Vector:
    """Return the margins of the test window (n,), the mean of several fits."""

    def matrix(window: Window) -> Matrix:
        return np.concatenate([part[window.rows] for part in parts], axis=1)

    fit_on, stop_on = (Sample(matrix(window), is_fraud[window.rows]) for window in (split.train, split.validation))
    later = matrix(test)
    drawn = [fit_lightgbm(fit_on, stop_on, seed + at, rounds).scorer.margin(later) for at in range(TREE_SEEDS)]
    return np.asarray(np.mean(drawn, axis=0), dtype=np.float64)


def _uplift(
    wanted: Bools,
    is_fraud: Bools,
    cards: NDArray[np.intp],
    margins: Mapping[str, Vector],
    resamples: int,
    seed: int,
) -> Uplift:
    kept = wanted | ~is_fraud
    if not wanted.any():
        raise DataError("No fraud of one kind is in the test window.", remedy="Give a longer history.")
    truth, card = wanted[kept], pd.factorize(cards[kept])[0]
    scores = {name: margin[kept] for name, margin in margins.items()}

    def over(first: str, second: str) -> Difference:
        found = differences(truth, card, scores[first], scores[second], resamples=resamples, seed=seed)
        return found["average_precision"]

    aggregates_, network = over("trees", "with_aggregates"), over("with_aggregates", "with_network")
    return Uplift(
        frauds=int(wanted.sum()),
        trees=aggregates_.first,
        with_aggregates=network.first,
        with_network=network.second,
        network_alone=over("network_alone", "network_alone").first,
        aggregates_over_trees=aggregates_,
        network_over_aggregates=network,
    )


def _checks(uplift: Mapping[str, Uplift]) -> list[Check]:
    kind = RINGS if RINGS in uplift else ALL
    gain = uplift[kind].network_over_aggregates
    checks = [
        Check(
            name="uplift",
            passed=gain.low > 0,
            value=gain.low,
            bound=0.0,
            sentence=(
                f"The ring score changes average precision on {kind} fraud by {gain.difference:+.4f} "
                f"({gain.low:+.4f} to {gain.high:+.4f}) over trees with neighbour aggregates; "
                "it must gain beyond chance."
            ),
        )
    ]
    if OTHER in uplift:
        rest = uplift[OTHER].network_over_aggregates
        checks.append(
            Check(
                name="no_loss",
                passed=rest.low > -LOSS_BOUND or rest.difference >= 0,
                value=rest.low,
                bound=-LOSS_BOUND,
                sentence=(
                    f"On other fraud it changes it by {rest.difference:+.4f} ({rest.low:+.4f} to {rest.high:+.4f}); "
                    f"a loss of more than {LOSS_BOUND} must be ruled out, unless it gains."
                ),
            )
        )
    return checks

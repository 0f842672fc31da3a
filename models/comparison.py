"""Two models on the same labelled rows: how their figures differ, for whom, and which decisions would change."""

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.decision import Verdict
from models.policy import Policy
from models.resampling import RESAMPLES, Bools, Cards, Ranking, draws, interval
from models.scorer import Vector

FALSE_POSITIVE_RATE = 0.005  # at which segments are compared
RATES = (0.001, FALSE_POSITIVE_RATE, 0.01)
RANKED = ("average_precision", "auc", "recall_at_fpr_0.1pct", "recall_at_fpr_0.5pct", "recall_at_fpr_1pct")
VERDICTS: tuple[Verdict, ...] = ("approve", "review", "decline")


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of two models; ``difference`` is second - first, with its 95 % interval drawn over cards."""

    first: float
    second: float
    difference: float
    low: float
    high: float


class SegmentDifference(msgspec.Struct, frozen=True, kw_only=True):
    """Recall on one segment, by the threshold at which each model flags 0.5 % of all genuine payments."""

    dimension: str
    segment: str
    rows: int
    frauds: int
    fraud_cards: int
    recall: Difference


def differences(
    truth: Bools, cards: Cards, first: Vector, second: Vector, *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Difference]:
    """Compare two models' calibrated scores, shape (n,); ``cards`` are codes from 0. Keys: `RANKED`, brier."""
    one, other = Ranking(truth, first), Ranking(truth, second)
    squares = (first - truth) ** 2, (second - truth) ** 2

    def figures(weights: Vector) -> tuple[Vector, Vector]:
        brier = [np.average(square, weights=weights) for square in squares]
        return np.append(one.metrics(weights, RATES), brier[0]), np.append(other.metrics(weights, RATES), brier[1])

    here = figures(np.ones(len(truth)))
    drawn = np.array([np.subtract(*figures(weights)[::-1]) for weights in draws(cards, truth, resamples, seed)])
    return {
        name: _difference(float(here[0][column]), float(here[1][column]), drawn[:, column])
        for column, name in enumerate((*RANKED, "brier"))
    }


def by_segment(
    truth: Bools,
    cards: Cards,
    segments: Mapping[str, NDArray[np.str_]],
    first: Vector,
    second: Vector,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[SegmentDifference]:
    """Compare recall segment by segment, largest first in each dimension; segments without a fraud are left out.

    ``segments`` name each row's segment by dimension; "" is none. Thresholds are those of the whole data, as a policy
    knows only one, and are held fixed in the draws.
    """
    caught = _flagged(truth, first)[truth].astype(float), _flagged(truth, second)[truth].astype(float)
    card = np.unique(cards[truth], return_inverse=True)[1]
    result = []
    for dimension, labels in segments.items():
        names, rows = np.unique(labels[labels != ""], return_counts=True)
        of_frauds = labels[truth]
        for name, count in sorted(zip(names.tolist(), rows.tolist(), strict=True), key=lambda one: (-one[1], one[0])):
            inside = of_frauds == name
            if inside.any():
                hits = [np.bincount(card[inside], weights=one[inside]).astype(np.intp) for one in caught]
                frauds = np.bincount(card[inside])
                held = frauds > 0
                recall = _recall(hits[0][held], hits[1][held], frauds[held], resamples, seed)
                result.append(
                    SegmentDifference(
                        dimension=dimension,
                        segment=name,
                        rows=count,
                        frauds=int(frauds.sum()),
                        fraud_cards=int(held.sum()),
                        recall=recall,
                    )
                )
    return result


def moves(
    first: tuple[Vector, Policy], second: tuple[Vector, Policy], amounts: Vector, truth: Bools
) -> dict[str, dict[str, int]]:
    """Count payments by (verdict of the first, verdict of the second): ``{"approve": {"review": 12, ...}, ...}``.

    Keys of the inner dictionaries are verdicts, and "frauds to <verdict>" for the frauds among them.
    """
    before, after = (_verdicts(scores, policy, amounts) for scores, policy in (first, second))
    return {
        old: {
            key: int(np.count_nonzero((before == old) & (after == new) & rows))
            for new in VERDICTS
            for key, rows in ((new, np.ones(len(truth), bool)), (f"frauds to {new}", truth))
        }
        for old in VERDICTS
    }


def _difference(first: float, second: float, drawn: Vector) -> Difference:
    low, high = interval(drawn)
    return Difference(first=first, second=second, difference=second - first, low=low, high=high)


def _flagged(truth: Bools, score: Vector) -> Bools:
    """Flag what scores above all but at most 0.5 % of the genuine payments."""
    genuine = np.sort(score[~truth])[::-1]
    flagged: Bools = score > genuine[int(FALSE_POSITIVE_RATE * len(genuine))]
    return flagged


def _recall(first: Cards, second: Cards, frauds: Cards, resamples: int, seed: int) -> Difference:
    """Compare frauds caught, by card: all of shape (cards with fraud,)."""
    random = np.random.default_rng(seed)
    count = len(frauds)
    drawn = np.empty(resamples)
    for draw in range(resamples):
        weights = np.bincount(random.integers(count, size=count), minlength=count)
        drawn[draw] = np.dot(weights, second - first) / np.dot(weights, frauds)
    total = float(frauds.sum())
    return _difference(float(first.sum()) / total, float(second.sum()) / total, drawn)


def _verdicts(scores: Vector, policy: Policy, amounts: Vector) -> NDArray[np.str_]:
    return np.array([policy.decide(p, a) for p, a in zip(scores.tolist(), amounts.tolist(), strict=True)])

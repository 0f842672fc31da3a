"""The gate: what a model must show, on data it has not seen, before it may decide about payments.

Pure: evidence in, checks out. Each check says in one sentence what was measured and what it is held against.

    evidence           enough cards with fraud to say anything
    better             average precision higher than the champion's, beyond chance (or not lower by more than a margin);
                       without a champion: higher than chance
    slope, error       calibrated: within a bound, or no further out than chance puts a calibrated model
    segments           in no segment with enough frauds is recall lower, beyond chance, by more than a bound. Each
                       segment is judged by itself, whatever their number: a false alarm costs a second look, a missed
                       harm costs customers

`models.gate_measured` has those that need more than scores: latency, leakage and the bundle itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models import metrics
from models.calibration_check import calibration_noise, recalibration_slope
from models.comparison import SegmentDifference, by_segment, differences
from models.gate_report import Check
from models.resampling import RESAMPLES, Bools, Cards, Ranking, draws, interval
from models.scorer import Vector

MIN_FRAUD_CARDS = 30
SLOPE_BAND = (0.9, 1.1)
ERROR_SHARE = 0.1  # of the fraud rate
SEGMENT_MIN_FRAUD_CARDS = 20
SEGMENT_BOUND = 0.05  # recall


@dataclass(frozen=True, slots=True)
class Evidence:
    """Labelled rows that neither model was trained on, and both models' calibrated scores of them, shape (n,).

    ``cards`` are codes from 0. ``champion`` is None when there is nothing to be better than. ``segments`` are those of
    `models.segments.segments`.
    """

    truth: Bools
    cards: Cards
    candidate: Vector
    champion: Vector | None
    segments: Mapping[str, NDArray[np.str_]]


def judge(
    evidence: Evidence, *, margin: float | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[Check, ...]:
    """Run the checks that need scores only.

    ``margin`` None demands a better average precision; a number, that it is not worse by more than that.
    """
    truth, cards, scores = evidence.truth, evidence.cards, evidence.candidate
    found = [_enough(truth, cards)]
    if evidence.champion is None:
        found.append(_better_than_chance(truth, cards, scores, resamples, seed))
    else:
        found.append(_better(evidence, evidence.champion, margin, resamples, seed))
    found += [_slope(truth, cards, scores), _error(truth, cards, scores, resamples, seed)]
    if evidence.champion is not None:
        found.append(
            segments_check(
                by_segment(truth, cards, evidence.segments, evidence.champion, scores, resamples=resamples, seed=seed)
            )
        )
    return tuple(found)


def _enough(truth: Bools, cards: Cards) -> Check:
    count = len(np.unique(cards[truth]))
    return Check(
        name="evidence",
        passed=count >= MIN_FRAUD_CARDS,
        value=count,
        bound=MIN_FRAUD_CARDS,
        sentence=f"{count:,} cards with fraud among {len(truth):,} rows; at least {MIN_FRAUD_CARDS} are needed.",
    )


def _better(evidence: Evidence, champion: Vector, margin: float | None, resamples: int, seed: int) -> Check:
    difference = differences(
        evidence.truth, evidence.cards, champion, evidence.candidate, resamples=resamples, seed=seed
    )["average_precision"]
    bound = 0.0 if margin is None else -margin
    return Check(
        name="better" if margin is None else "at_least_as_good",
        passed=difference.low > bound,
        value=difference.low,
        bound=bound,
        sentence=(
            f"Average precision {difference.second:.4f} against the champion's {difference.first:.4f}: "
            f"{difference.difference:+.4f}, 95 % interval {difference.low:+.4f} to {difference.high:+.4f}; "
            f"its lower end must be above {bound:g}."
        ),
    )


def _better_than_chance(truth: Bools, cards: Cards, score: Vector, resamples: int, seed: int) -> Check:
    ranking, rate = Ranking(truth, score), float(truth.mean())
    # In each draw the fraud rate, which is what a blind model reaches, is another.
    low, _ = interval(
        np.array(
            [
                ranking.metrics(weights, ())[0] - np.average(truth, weights=weights)
                for weights in draws(cards, truth, resamples, seed)
            ]
        )
    )
    reached = float(ranking.metrics(np.ones(len(truth)), ())[0])
    return Check(
        name="better_than_chance",
        passed=low > 0,
        value=low,
        bound=0.0,
        sentence=(
            f"There is no champion that could be compared with. Average precision {reached:.4f}, a blind model's "
            f"{rate:.4f}; the lower end of the 95 % interval of the difference, {low:+.4f}, must be above 0."
        ),
    )


def _slope(truth: Bools, cards: Cards, score: Vector) -> Check:
    slope = recalibration_slope(truth, score, cards)
    low, high = SLOPE_BAND
    return Check(
        name="calibration_slope",
        passed=low <= slope.value <= high or slope.low <= 1 <= slope.high,
        value=slope.value,
        bound=low if slope.value < 1 else high,
        sentence=(
            f"Recalibration slope {slope.value:.3f}, 95 % interval {slope.low:.3f} to {slope.high:.3f}; it must lie "
            f"within {low} to {high}, or not be told from 1."
        ),
    )


def _error(truth: Bools, cards: Cards, score: Vector, resamples: int, seed: int) -> Check:
    error = metrics.expected_calibration_error(truth, score)
    share = ERROR_SHARE * float(truth.mean())
    noise = calibration_noise(truth, score, cards, resamples=resamples, seed=seed)
    bound = max(share, noise)
    return Check(
        name="calibration_error",
        passed=error <= bound,
        value=error,
        bound=bound,
        sentence=(
            f"Expected calibration error {error:.6f}; allowed is the larger of a tenth of the fraud rate ({share:.6f}) "
            f"and what chance gives a calibrated model ({noise:.6f})."
        ),
    )


def segments_check(found: list[SegmentDifference]) -> Check:
    """Fail when recall drops in a segment by more than `SEGMENT_BOUND` and the whole interval lies below 0."""
    judged = [one for one in found if one.fraud_cards >= SEGMENT_MIN_FRAUD_CARDS]
    harmed = [one for one in judged if one.recall.difference < -SEGMENT_BOUND and one.recall.high < 0]
    worst = min(harmed or judged, key=lambda one: one.recall.difference, default=None)
    if worst is None:
        sentence = f"No segment has {SEGMENT_MIN_FRAUD_CARDS} cards with fraud: none can be judged."
    else:
        sentence = (
            f"{len(harmed)} of {len(judged)} segments harmed; worst is {worst.dimension} {worst.segment!r}: recall at "
            f"0.5 % false positives {worst.recall.first:.3f} before, {worst.recall.second:.3f} after, 95 % interval "
            f"of the difference {worst.recall.low:+.3f} to {worst.recall.high:+.3f}."
        )
    return Check(
        name="segments",
        passed=not harmed,
        value=worst.recall.difference if worst else 0.0,
        bound=-SEGMENT_BOUND,
        sentence=sentence,
    )

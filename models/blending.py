"""Blending the two boosters: what each counts is chosen on the validation window.

Margins of the two families lie on different scales, so each is first brought to log-odds by Platt scaling there.
"""

import numpy as np
from numpy.typing import NDArray

from models import metrics
from models.blend_scorer import BlendScorer, BlendWeights
from models.calibration_fit import fit_platt
from models.fitting import Sample
from models.scorer import Scorer, Vector

SHARES = (0.5, 0.25, 0.75)  # of LightGBM; among equals the first
RESAMPLES = 400
ERROR = 0.05


def blend(first: Scorer, second: Scorer, validation: Sample) -> BlendScorer:
    """Return the blend of LightGBM and XGBoost of best average precision on the validation window.

    Raises `DataError` when one of them ranks no better than chance there.
    """
    truth, weights = validation.is_fraud, validation.weights
    margins = [scorer.margin(validation.features) for scorer in (first, second)]
    scale = [fit_platt(margin, truth, weights) for margin in margins]
    levels = [platt.log_odds(margin) for platt, margin in zip(scale, margins, strict=True)]

    def reached(share: float) -> float:
        return metrics.average_precision(truth, share * levels[0] + (1 - share) * levels[1], weights)

    share = max(SHARES, key=reached)
    return BlendScorer(
        first,
        second,
        BlendWeights(
            lightgbm=share * scale[0].slope,
            xgboost=(1 - share) * scale[1].slope,
            intercept=share * scale[0].intercept + (1 - share) * scale[1].intercept,
        ),
    )


def beats(
    challenger: Vector,
    present: Vector,
    validation: Sample,
    cards: NDArray[np.intp],
    seed: int,
    tries: int = 1,
) -> bool:
    """Say whether ``challenger`` has the better average precision by more than noise.

    Paired bootstrap over cards, since the frauds of one card are not independent: in 95 % of the resamples the
    challenger must come out ahead. The best of several ``tries`` is the luckiest as well, so it must do so in all but
    5 % / tries of them (Bonferroni). ``cards`` (n,) numbers each row's card from 0.
    """
    random = np.random.default_rng(seed)
    count = int(cards.max()) + 1
    base = np.ones(len(cards)) if validation.weights is None else validation.weights
    # Sorted once: sorting again is then cheap in each resample.
    ranked = [
        (margin[order], order) for margin in (challenger, present) for order in [np.argsort(margin, kind="stable")]
    ]
    allowed = int(ERROR / tries * RESAMPLES)
    lost = 0
    for _ in range(RESAMPLES):
        weights = base * np.bincount(random.integers(count, size=count), minlength=count)[cards]
        reached = [0.0, 0.0]  # a resample without fraud says nothing, and so counts against the challenger
        if 0 < weights[validation.is_fraud].sum() < weights.sum():
            reached = [
                metrics.average_precision(validation.is_fraud[order], margin, weights[order])
                for margin, order in ranked
            ]
        lost += reached[0] <= reached[1]
        if lost > allowed:
            return False
    return True

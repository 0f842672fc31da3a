"""Fitting a bundle's companions on the windows that its model was trained on; takes seconds."""

from collections.abc import Sequence

import lightgbm as lgb
import numpy as np

from features.catalogue import FEATURES
from features.errors import DataError
from models import metrics
from models.anomaly import STEP_BITS, STRONGEST, Anomaly, AnomalyTables
from models.calibrated_model import CalibratedModel
from models.calibration_fit import fit_platt
from models.companions import Companions
from models.fallback import Fallback, FallbackHead
from models.fitting import THREADS, Sample
from models.lightgbm_scorer import LightGBMScorer
from models.scorer import Matrix, Vector

MOST_BITS = 16.0  # one payment in 65,536: rarer is not told apart

# What a thief does differently from a card's holder, high where he does. Chosen by the measure of
# `ringfence benchmark novelty`, on simulations of other seeds than its default.
WATCHED = """
    card_velocity_1h card_velocity_24h card_burst_count_10m card_small_count_1h card_small_count_24h
    card_same_amount_count_7d card_just_under_count_24h
    card_distinct_merchants_24h card_distinct_countries_24h card_distinct_devices_24h distance_km speed_kmh
    card_amount_robust_zscore amount_to_card_median amount_to_card_max
    merchant_velocity_24h merchant_small_count_1h merchant_amount_zscore
    device_count_1h device_distinct_cards_24h device_distinct_cards_7d
    ip_count_1h ip_distinct_cards_24h ip_distinct_cards_7d customer_distinct_cards_24h
""".split()

FALLBACK_ROUNDS = 60
MOST_TAUGHT = 100_000  # newest rows that the fallback learns from: enough, and seconds
FALLBACK = {
    "objective": "cross_entropy",
    "learning_rate": 0.1,
    "num_leaves": 16,
    "min_data_in_leaf": 100,
    "lambda_l2": 5.0,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": THREADS,
    "verbosity": -1,
}


def fit_companions(
    model: CalibratedModel, seen: Sample, later: Sample, names: Sequence[str], *, seed: int = 0
) -> Companions:
    """Fit what the data allow beside a model, on rows that it has seen and on later ones.

    ``names`` are those of the features. The anomaly score needs one of the features it watches, the fallback one that
    comes with the request and frauds that such features tell from other payments.
    """
    return Companions(fit_anomaly(seen, later, names), fit_fallback(model, seen, later, names, seed=seed))


def fit_anomaly(seen: Sample, later: Sample, names: Sequence[str]) -> Anomaly | None:
    """Learn the tails of ``seen`` payments, whatever their label, and the percentiles of genuine ``later`` ones."""
    watched = tuple(name for name in WATCHED if name in names)
    genuine, weights = later.features[~later.is_fraud], _weights(later)[~later.is_fraud]
    if not watched or not len(seen.features) or not len(genuine):
        return None
    steps = int(min(MOST_BITS, np.log2(len(seen.features))) / STEP_BITS)
    knots = [_knots(seen.features[:, names.index(name)], _weights(seen), steps).tolist() for name in watched]
    scale = min(STRONGEST, len(watched)) * steps + 1
    unfinished = Anomaly(AnomalyTables(features=watched, knots=knots, less_unusual=[0.0] * scale), names)
    counts = np.bincount(unfinished.steps(genuine), weights, minlength=scale)
    below = np.concatenate(([0.0], np.cumsum(counts)[:-1])) / weights.sum()
    return Anomaly(AnomalyTables(features=watched, knots=knots, less_unusual=below.tolist()), names)


def _knots(values: Matrix, weights: Vector, steps: int) -> Matrix:
    """Return from which value up at most 2^-0.25, 2^-0.5, ... of all payments reach it, shape (steps,)."""
    given = ~np.isnan(values)
    distinct, place = np.unique(values[given], return_inverse=True)
    counts = np.bincount(place, weights[given], len(distinct))
    # Between two values that were seen as many payments reach as reach the upper one; beyond the last, none.
    starts = np.append(np.finfo(np.float32).min, np.nextafter(distinct, np.float32(np.inf)))
    reach = np.append(np.cumsum(counts[::-1])[::-1], 0) / weights.sum()
    most = 2.0 ** (-STEP_BITS * np.arange(1, steps + 1))
    # reach falls, searchsorted wants it rising: the first place at or below each of the levels.
    first = len(reach) - np.searchsorted(reach[::-1], most, "right")
    knots: Matrix = starts[first].astype(np.float32)
    return knots


def fit_fallback(
    model: CalibratedModel, seen: Sample, later: Sample, names: Sequence[str], *, seed: int = 0
) -> Fallback | None:
    """Teach a small model the probabilities that ``model`` gives to ``seen`` payments, by the request's features.

    The truth about the ``later`` rows calibrates it. None where nothing comes with the request, or where what comes
    does not tell frauds from other payments.
    """
    own = tuple(feature.name for feature in FEATURES if feature.request_only and feature.name in names)
    if not own:
        return None
    columns = [names.index(name) for name in own]
    parameters, rows = FALLBACK | {"seed": seed}, seen.features[-MOST_TAUGHT:]
    weights = None if seen.weights is None else seen.weights[-MOST_TAUGHT:]
    taught = lgb.Dataset(rows[:, columns], model.score(rows), weight=weights, params=parameters)
    booster = lgb.train(parameters, taught, FALLBACK_ROUNDS)
    scorer = LightGBMScorer(lgb.Booster(model_str=booster.model_to_string()))
    try:
        calibration = fit_platt(scorer.margin(later.features[:, columns]), later.is_fraud, later.weights)
    except DataError:
        return None
    return Fallback(scorer, FallbackHead(features=own, calibration=calibration), names)


def fallback_report(
    model: CalibratedModel, fallback: Fallback, sample: Sample, names: Sequence[str]
) -> dict[str, float]:
    """Measure both answers to a feature store that is away.

    ``average_precision`` and ``expected_calibration_error`` are the fallback's, ``*_on_defaults`` those of the model
    where every feature but the request's has its default.
    """
    asked, truth, weights = sample.features.copy(), sample.is_fraud, sample.weights
    for place, name in enumerate(names):
        if name not in fallback.head.features:
            asked[:, place] = _DEFAULTS.get(name, np.nan)
    report = {}
    for suffix, score in (("", fallback.score(asked)), ("_on_defaults", model.score(asked))):
        error = metrics.expected_calibration_error(truth, score, weights=weights)
        report[f"average_precision{suffix}"] = metrics.average_precision(truth, score, weights)
        report[f"expected_calibration_error{suffix}"] = error
    return report


def _weights(sample: Sample) -> Vector:
    return np.ones(len(sample.features)) if sample.weights is None else sample.weights


_DEFAULTS = {feature.name: feature.default for feature in FEATURES}

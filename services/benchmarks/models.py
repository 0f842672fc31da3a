"""Times scoring: each family of models, scikit-learn's beside them, and a bundle as it is served."""

import os
import platform
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier  # type: ignore[import-untyped]  # scikit-learn ships no types
from sklearn.impute import SimpleImputer  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]
from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]

from features.catalogue import NAMES
from features.progress import Progress, Step
from features.replay import replay
from models.blend_scorer import BlendScorer, BlendWeights
from models.bundle import Bundle
from models.bundle_writer import save_bundle
from models.companion_fitting import fit_companions
from models.fitting import FAMILIES, Sample
from models.scorer import Matrix
from models.train import sample_of, train
from services.benchmarks.online import Percentiles
from services.benchmarks.timing import Timer, percentiles_us

SIZES = (1, 64)  # transactions in a micro-batch
CALLS = 500
SECONDS = 3.0  # a slow measurement ends after this many, with fewer calls
BATCHES = 8  # different micro-batches of the largest size
FOREST_TREES = 100
SKLEARN_ROWS = 20_000
BASELINE = "logistic_regression"
PACKAGES = ("lightgbm", "xgboost-cpu", "scikit-learn", "numpy")
Call = Callable[[Matrix], object]


def benchmark_models(table: pd.DataFrame, rounds: int, step: Step, *, seed: int = 0) -> dict[str, Any]:
    """Train on a canonical table and time scoring its last rows, all features given: µs by size of the micro-batch.

    ``families_us`` times models of ``rounds`` trees before calibration, and scikit-learn's logistic regression (with
    imputing and scaling) and forest; ``served_us`` what a bundle does for a decision. ``times_baseline`` says how many
    times as long as the logistic regression of the same run it takes (medians).
    """
    features = replay(table, progress=step("computing features")).features
    tell = step("training")
    tell(0, 3)
    result = train(table, features, names=NAMES, seed=seed, rounds=rounds)
    tell(1, 3)
    sample, seen, later = (
        sample_of(table, features, result.weights, rows)
        for rows in (result.split.train.rows, result.split.fitted, result.split.calibration.rows)
    )
    companions = fit_companions(result.model, seen, later, NAMES, seed=seed)
    tell(2, 3)
    calls = family_calls(sample, seed, rounds)
    tell(3, 3)
    with TemporaryDirectory(prefix="ringfence-benchmark-") as directory:
        parts = replace(result.parts, companions=companions)
        bundle = save_bundle(Path(directory, "bundle"), parts, created_at=datetime.now(UTC))
    recent = features[-max(SIZES) * BATCHES :]
    families = measure(calls, recent, step("timing the families"))
    served = measure(served_calls(bundle), recent, step("timing the bundle"))
    return {
        "families_us": compared(families, families[BASELINE]),
        "served_us": compared(served, families[BASELINE]),
        "baseline": BASELINE,
        "served_family": bundle.manifest.family,
        "rounds": rounds,
        "forest_trees": FOREST_TREES,
        "transactions": len(table),
        "features": len(NAMES),
        "cpu_count": os.cpu_count(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }


def family_calls(sample: Sample, seed: int, rounds: int) -> dict[str, Call]:
    """Fit every family, blend them, and fit scikit-learn's two on the newest `SKLEARN_ROWS`.

    Returns what scores a matrix (n, f).
    """
    fitted = {family: fitter(sample, None, seed, rounds).scorer for family, fitter in FAMILIES.items()}
    calls: dict[str, Call] = {family: scorer.margin for family, scorer in fitted.items()}
    # What each of the two counts changes nothing about the time.
    calls["blend"] = BlendScorer(fitted["lightgbm"], fitted["xgboost"], BlendWeights(0.5, 0.5, 0.0)).margin
    logistic = make_pipeline(
        SimpleImputer(keep_empty_features=True), StandardScaler(), LogisticRegression(max_iter=1000)
    )
    forest = RandomForestClassifier(FOREST_TREES, n_jobs=1, random_state=seed)
    newest, fraud = sample.features[-SKLEARN_ROWS:], sample.is_fraud[-SKLEARN_ROWS:]
    for name, model in ((BASELINE, logistic), ("random_forest", forest)):
        calls[name] = model.fit(newest, fraud).predict_proba
    return calls


def served_calls(bundle: Bundle) -> dict[str, Call]:
    """Return what a bundle does to a matrix (n, f) for a decision, step by step; companions where it has them."""
    calls: dict[str, Call] = {"score": bundle.score, "explain": bundle.explain}
    if bundle.anomaly is not None:
        calls["anomaly"] = bundle.anomaly.percentile
    if bundle.fallback is not None:
        calls |= {"fallback_score": bundle.fallback.score, "fallback_explain": bundle.fallback.explain}
    return calls


def measure(calls: dict[str, Call], rows: Matrix, progress: Progress) -> dict[str, Percentiles]:
    """Time each call on micro-batches of `SIZES` rows, cut one after the other from ``rows`` (n, f)."""
    found: dict[str, Percentiles] = {}
    for done, (name, call) in enumerate(calls.items()):
        found[name] = {}
        for size in SIZES:
            batches = [np.ascontiguousarray(rows[at : at + size]) for at in range(0, len(rows) - size + 1, size)]
            call(batches[0])  # first calls cost more
            timer = Timer()
            while not timer.seconds or (len(timer.seconds) < CALLS and sum(timer.seconds) < SECONDS):
                with timer:
                    call(batches[len(timer.seconds) % len(batches)])
            found[name][str(size)] = percentiles_us(timer.seconds, size)
        progress(done + 1, len(calls))
    return found


def compared(found: dict[str, Percentiles], baseline: Percentiles) -> dict[str, Percentiles]:
    """Add to each size how many times the baseline's median it is."""
    return {
        name: {
            size: {**figures, "times_baseline": round(figures["p50"] / baseline[size]["p50"], 2)}
            for size, figures in sizes.items()
        }
        for name, sizes in found.items()
    }

"""Small real bundles over the whole catalogue: versions of one scorer whose calibration, hence every score, differs."""

from datetime import UTC, datetime
from functools import cache

import numpy as np

from features.catalogue import NAMES
from models.bundle_writer import BundleParts
from models.calibrated_model import CalibratedModel
from models.calibration import Platt
from models.fitting import FAMILIES, Sample
from models.manifest import DataSummary
from models.policy import Costs, Policy
from services.champion import install

BEGIN, END = datetime(2029, 1, 1, tzinfo=UTC), datetime(2029, 2, 1, tzinfo=UTC)
NOW = datetime(2029, 3, 1, tzinfo=UTC)


@cache
def scorer():
    """Fit a scorer to which larger amounts are more suspicious."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(600, len(NAMES))).astype(np.float32)
    rows[:, NAMES.index("amount")] = random.lognormal(3, 1, len(rows))
    fraud = rows[:, NAMES.index("amount")] * random.lognormal(0, 0.5, len(rows)) > 40
    return FAMILIES["lightgbm"](Sample(rows, fraud), None, 1, 10).scorer, rows


def parts(edition, *, end=END):
    """What training would hand over; editions score differently from each other everywhere."""
    model, rows = scorer()
    return BundleParts(
        model=CalibratedModel(model, Platt(1.0, 0.1 * edition)),
        feature_names=NAMES,
        data=DataSummary(start=min(BEGIN, end), end=end, as_of=end, rows=600, frauds=90, sha256="0" * 64),
        metrics={"test": {"average_precision": 0.5 + edition / 100, "auc": 0.9, "rows": 100.0}},
        probes=rows[:4],
    )


def policy(edition):
    """A policy whose version tells its edition."""
    return Policy(number=edition, review=0.3, decline=0.9, costs=Costs())


def install_editions(state, count, **options):
    """Install that many editions, from 1; return their versions. The first is the champion, the last the challenger."""
    return [
        install(state, parts(edition, **options), policy(edition), NOW)[0].version for edition in range(1, count + 1)
    ]

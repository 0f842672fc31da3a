"""Synthetic payments for the model tests: a canonical table with a handful of features that carry a signal."""

import numpy as np
import pandas as pd
import pytest

from models.blending import blend
from models.fitting import FAMILIES, Sample

NAMES = ("amount", "night", "merchant_fraud_rate_7d", "noise", "often_missing")


def history(rows=4000, days=60, seed=0, delay_days=5.0, fraud_share=0.05):
    """Return a labelled table and its feature matrix (rows, 5); fraud depends on amount and merchant rate."""
    random = np.random.default_rng(seed)
    start = pd.Timestamp("2030-01-01", tz="UTC").as_unit("us")
    seconds = np.sort(random.uniform(0, days * 86400, rows))
    events = start + pd.to_timedelta((seconds * 1e6).astype("int64"), unit="us")
    features = random.normal(size=(rows, len(NAMES))).astype(np.float32)
    features[random.random(rows) < 0.4, 4] = np.nan
    signal = 4.0 * features[:, 0] + 3.0 * features[:, 2] * (features[:, 1] > 0)
    chance = 1 / (1 + np.exp(-(signal - np.quantile(signal, 1 - fraud_share) - 1)))
    fraud = random.random(rows) < chance
    table = pd.DataFrame(
        {
            "transaction_id": [f"t{i}" for i in range(rows)],
            "event_time": pd.Series(events).astype("datetime64[us, UTC]"),
            "card_id": [f"c{i}" for i in random.integers(0, rows // 20, rows)],
            "merchant_id": [f"m{i}" for i in random.integers(0, 50, rows)],
            "amount": random.lognormal(3, 1, rows),
            "currency": "EUR",
            "is_fraud": pd.array(fraud.astype("int8"), dtype="Int8"),
        }
    )
    table["label_time"] = table["event_time"] + pd.Timedelta(days=delay_days)
    return table, features


@pytest.fixture(scope="session")
def make_history():
    return history


@pytest.fixture(scope="session")
def names():
    return NAMES


@pytest.fixture(scope="session")
def data():
    return history()


@pytest.fixture(scope="session")
def scorers(data):
    table, features = data
    sample = Sample(features, table["is_fraud"].to_numpy(dtype=bool))
    fitted = {family: fit(sample, None, 1, 40).scorer for family, fit in FAMILIES.items()}
    return fitted | {"blend": blend(fitted["lightgbm"], fitted["xgboost"], sample)}


@pytest.fixture(params=["blend", *sorted(FAMILIES)])
def scorer(request, scorers):
    return scorers[request.param]


@pytest.fixture
def rows(data):
    return np.ascontiguousarray(data[1][:300])

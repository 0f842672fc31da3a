"""The Fraud Detection Handbook's published window features, recomputed by our windows."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.catalogue import column
from features.catalogue_labels import PRIOR_RATE, PRIOR_WEIGHT
from features.history import make_history
from features.replay import fold_history, make_arena
from features.table import COLUMNS

pytestmark = pytest.mark.integration
DAYS = {"1DAY": "24h", "7DAY": "7d", "30DAY": "30d"}


@pytest.fixture(scope="module")
def folder():
    named = os.environ.get("FDH_DATA")
    if not named:
        pytest.skip("FDH_DATA does not name the folder of the Handbook's data")
    return Path(named)


@pytest.fixture(scope="module")
def compared(folder):
    """Return our features before rounding and the published ones, for the same transactions."""
    published = pd.read_parquet(next(folder.glob("window_features_*.parquet")))
    raw = pd.read_parquet(next(folder.glob("transactions_*.parquet")))
    raw = raw[raw["TX_DATETIME"] < "2018-07-13"].reset_index(drop=True)
    times = raw["TX_DATETIME"].astype("datetime64[us]").dt.tz_localize("UTC")
    table = pd.DataFrame(
        {
            "transaction_id": raw["TRANSACTION_ID"].astype(str),
            "event_time": times,
            "card_id": "c" + raw["CUSTOMER_ID"].astype(str),
            "merchant_id": "t" + raw["TERMINAL_ID"].astype(str),
            "amount": raw["TX_AMOUNT_CENTS"] / 100,
            "currency": "EUR",
            "is_fraud": raw["TX_FRAUD"].astype("Int8"),
            "label_time": times + pd.Timedelta(days=7),
        }
    )
    table = table.reindex(columns=list(COLUMNS))
    history = make_history(table, None)
    wanted = raw["TRANSACTION_ID"].isin(published["TRANSACTION_ID"]).to_numpy()
    kept, done = [], 0
    for chunk in fold_history(history, make_arena(history)):
        kept.append(chunk[wanted[done : done + len(chunk)]])
        done += len(chunk)
    ours = np.concatenate(kept)
    published = published.set_index("TRANSACTION_ID").loc[raw.loc[wanted, "TRANSACTION_ID"]]
    assert len(ours) == len(published) == 28_629
    return ours, published


def assert_same(ours, published):
    worst = np.abs(ours - published.to_numpy(dtype=float)).max()
    assert worst <= 1e-9, f"off by up to {worst}"


@pytest.mark.parametrize(("published_window", "window"), DAYS.items())
def test_customer_windows(compared, published_window, window):
    ours, published = compared
    count = ours[:, column(f"card_count_{window}")] + 1  # theirs include the transaction itself
    total = ours[:, column(f"card_sum_{window}")] + ours[:, column("amount")]
    assert_same(count, published[f"CUSTOMER_ID_NB_TX_{published_window}_WINDOW"])
    assert_same(total / count, published[f"CUSTOMER_ID_AVG_AMOUNT_{published_window}_WINDOW"])


@pytest.mark.parametrize(("published_window", "window"), DAYS.items())
def test_terminal_risk_windows(compared, published_window, window):
    """With labels 7 days late, windows of label arrival are their windows that end 7 days before."""
    ours, published = compared
    count = ours[:, column(f"merchant_labelled_{window}")]
    rate = ours[:, column(f"merchant_fraud_rate_{window}")]
    frauds = rate * (count + PRIOR_WEIGHT) - PRIOR_WEIGHT * PRIOR_RATE
    assert_same(count, published[f"TERMINAL_ID_NB_TX_{published_window}_WINDOW"])
    risk = np.divide(frauds, count, out=np.zeros_like(frauds), where=count > 0)
    assert_same(risk, published[f"TERMINAL_ID_RISK_{published_window}_WINDOW"])


def test_calendar(compared):
    ours, published = compared
    assert_same(ours[:, column("is_weekend")], published["TX_DURING_WEEKEND"])
    assert_same(ours[:, column("is_night")], published["TX_DURING_NIGHT"])

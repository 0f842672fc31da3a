"""pandas' rolling windows and the fold, written apart from each other, agree on simulated payments."""

import numpy as np
import pandas as pd
import pytest

from features.catalogue import column
from features.replay import replay
from services.benchmarks.pandas_windows import WINDOW_NAMES, agreement, pandas_windows
from streaming.simulator import Scenario, simulate


@pytest.fixture(scope="module")
def table():
    return simulate(Scenario(transactions=3_000, seed=3, days=60)).transactions


@pytest.fixture(scope="module")
def features(table):
    return replay(table).features


def test_every_window_feature_agrees_to_the_last_value(table, features):
    windows = pandas_windows(table)
    assert len(WINDOW_NAMES) == 2 * 4 * 5 + 3 * 3 + 6 + 14  # statistics, counts, small amounts, distinct
    assert windows.shape == (len(table), len(WINDOW_NAMES))
    assert agreement(table, windows, features) == 1.0
    for at, name in enumerate(WINDOW_NAMES):
        found = features[:, column(name)]
        assert np.isfinite(found).sum() > 20, name
        np.testing.assert_allclose(found, windows[:, at], rtol=1e-5, atol=1e-4, err_msg=name)


def test_a_wrong_value_is_noticed(table, features):
    windows = pandas_windows(table)
    windows[-1, WINDOW_NAMES.index("card_count_30d")] += 1
    assert agreement(table, windows, features) < 1.0


def test_pandas_counts_what_a_plain_loop_counts(table):
    windows = pandas_windows(table)
    hours = pd.Timedelta("24h")
    for row in range(0, len(table), 97):
        now = table.iloc[row]
        before = table[(table["event_time"] > now["event_time"] - hours) & (table["event_time"] < now["event_time"])]
        amounts = before.loc[before["merchant_id"] == now["merchant_id"], "amount"]
        assert windows[row, WINDOW_NAMES.index("merchant_count_24h")] == len(amounts)
        assert windows[row, WINDOW_NAMES.index("merchant_sum_24h")] == pytest.approx(amounts.sum(), abs=1e-6)
        if len(amounts):
            deviation = windows[row, WINDOW_NAMES.index("merchant_std_24h")]
            assert deviation == pytest.approx(np.std(amounts), abs=1e-6)


def test_transactions_of_one_entity_at_one_time_are_not_compared(table):
    tied = table.copy()
    tied.loc[101, ["event_time", "card_id"]] = tied.loc[100, ["event_time", "card_id"]]
    tied = tied.sort_values("event_time", kind="stable", ignore_index=True)
    windows, found = pandas_windows(tied), replay(tied).features
    name = "card_count_30d"
    second = tied.duplicated(["card_id", "event_time"]).to_numpy()
    assert second.sum() == 1
    assert found[second, column(name)] == windows[second, WINDOW_NAMES.index(name)] + 1
    assert agreement(tied, windows, found) == 1.0


def test_a_missing_entity_has_no_windows(table):
    nowhere = table.assign(device_id=None)
    windows = pandas_windows(nowhere)
    assert np.isnan(windows[:, WINDOW_NAMES.index("device_count_1h")]).all()
    assert agreement(nowhere, windows, replay(nowhere).features) == 1.0

"""The product's own leakage test: it passes the fold, and it fails folds that look ahead."""

import numpy as np
import pandas as pd
import pytest

from features.catalogue import NAMES
from features.leakage import another_future, leakage_test
from features.replay import replay
from tests.unit.features.test_replay import history

CUT = 90


@pytest.fixture(scope="module")
def data():
    table, _ = history(2)
    return table, replay(table).features, table["event_time"].iloc[CUT - 1]


def past_rows(table, moment):
    return int((table["event_time"] <= moment).sum())


def test_the_fold_knows_no_future(data):
    table, features, moment = data
    found = leakage_test(table, features, moment)
    assert (found.differing, found.names) == (0, ())
    assert found.moved > 0
    assert len(found.features) == past_rows(table, moment)


def peek_at_the_next_amount(table):
    features = replay(table).features.copy()
    features[:, NAMES.index("card_max_24h")] = np.append(table["amount"].to_numpy()[1:], 0)
    return features


def centre_on_the_whole(table):
    features = replay(table).features.copy()
    features[:, NAMES.index("amount")] -= np.float32(table["amount"].mean())
    return features


def know_labels_early(table):
    return replay(table.assign(label_time=table["label_time"] - pd.Timedelta(days=7))).features


def rate_of_the_merchant(table):
    """The classic mistake: the fraud rate of the merchant over the whole table."""
    features = replay(table).features.copy()
    rate = table["is_fraud"].astype(float).groupby(table["merchant_id"]).transform("mean")
    features[:, NAMES.index("merchant_fraud_rate_7d")] = rate
    return features


@pytest.mark.parametrize(
    "fold", [peek_at_the_next_amount, centre_on_the_whole, know_labels_early, rate_of_the_merchant]
)
def test_a_fold_that_looks_ahead_is_caught(data, fold):
    table, _, moment = data
    found = leakage_test(table, fold(table), moment, fold=fold)
    assert found.differing > 0
    assert found.names


def test_a_future_that_moves_nothing_is_said_to(data):
    table, features, moment = data
    frozen = np.zeros_like(features)
    found = leakage_test(table, frozen, moment, fold=lambda changed: np.zeros((len(changed), len(NAMES)), np.float32))
    assert (found.differing, found.moved) == (0, 0)


def test_another_future_leaves_what_was_known_and_changes_the_rest(data):
    table, _, moment = data
    changed, kept = another_future(table, moment)
    past = past_rows(table, moment)
    known = (table["label_time"] <= moment).to_numpy()[:past]
    assert (table["label_time"].iloc[:past] > moment).any()
    unlabelled = [name for name in table.columns if name not in ("is_fraud", "label_time")]
    pd.testing.assert_frame_equal(changed[unlabelled].iloc[:past], table[unlabelled].iloc[:past])
    pd.testing.assert_frame_equal(changed.iloc[:past][known], table.iloc[:past][known])
    assert changed["event_time"].is_monotonic_increasing
    assert (changed["event_time"].iloc[past:] > moment).all()
    assert changed.dtypes.equals(table.dtypes)
    assert 0 < len(kept) < len(table) - past
    assert not changed["label_time"].equals(table["label_time"].iloc[: len(changed)])
    late = (table["label_time"] > moment).to_numpy()[:past]
    still = changed["is_fraud"].iloc[:past][late].notna().to_numpy()
    before, after = (frame["is_fraud"].iloc[:past][late][still] for frame in (table, changed))
    assert (before + after == 1).all()


def test_categorical_columns_stay_so(data):
    table, _, moment = data
    categorical = table.astype({"card_id": "category", "merchant_id": "category"})
    changed, _ = another_future(categorical, moment)
    assert changed.dtypes.equals(categorical.dtypes)
    assert leakage_test(categorical, replay(categorical).features, moment).differing == 0

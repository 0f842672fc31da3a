import numpy as np
import pandas as pd
import pytest

from features.errors import DataError
from features.table import INCLUSION
from models.calibration import probability
from models.evaluate import evaluate
from models.inclusion import WEIGHT_CAP, at_rows, inclusion_weights
from models.train import train

TIPPED_OFF = 1.0  # above it, a payment is always investigated
EXPLORED = 0.1  # of the others, let through and followed up at random


def payments(make_history, names, rows, seed):
    """Return a fully labelled population and, per row, a tip-off that no feature knows and that fraud goes with."""
    table, features = make_history(rows=rows, seed=seed)
    random = np.random.default_rng(seed + 1000)
    tip = random.normal(size=rows)
    fraud = random.random(rows) < probability(2.0 * features[:, 0].astype(float) + 2.0 * tip - 5.5)
    table["is_fraud"] = pd.array(fraud.astype("int8"), dtype="Int8")
    return table, features, tip


def selected(table, tip, seed):
    """Leave labels only where somebody looked, and say how likely that was."""
    chance = np.where(tip > TIPPED_OFF, 1.0, EXPLORED)
    seen = np.random.default_rng(seed).random(len(table)) < chance
    known = table.copy()
    known.loc[~seen, "is_fraud"] = pd.NA
    known.loc[~seen, "label_time"] = pd.NaT
    return known.assign(**{INCLUSION: chance})


@pytest.fixture(scope="module")
def selective(make_history, names):
    table, features, tip = payments(make_history, names, 20_000, seed=1)
    return selected(table, tip, seed=2), features, table


def test_weighting_removes_the_bias_of_selective_labels(selective, make_history, names):
    known, features, everything = selective
    later, later_features, _ = payments(make_history, names, 20_000, seed=5)
    rate = later["is_fraud"].mean()

    def expected(table):
        result = train(table, features, names=names, rounds=30)
        return result.model.score(later_features).mean(), result.parts.metrics["test"]

    ignoring, biased = expected(known.drop(columns=INCLUSION))
    weighting, honest = expected(known)
    assert ignoring > 1.7 * rate  # nearly two frauds foreseen for each that happens
    assert weighting == pytest.approx(rate, rel=0.2)
    true_rate = everything["is_fraud"].mean()
    assert biased["fraud_rate"] > 1.7 * true_rate
    assert abs(honest["fraud_rate"] - true_rate) < 0.4 * (biased["fraud_rate"] - true_rate)
    assert biased["average_precision"] > honest["average_precision"] + 0.05  # flattered by the selection


class ByColumn:
    def score(self, features):
        return probability(features[:, 0].astype(float) - 3)


def test_an_evaluation_on_selected_labels_is_that_of_all(selective):
    known, features, everything = selective
    truth, weighted, ignoring = (
        evaluate(ByColumn(), table, features, resamples=20)
        for table in (everything, known, known.drop(columns=INCLUSION))
    )
    for name in ("fraud_rate", "average_precision", "brier"):
        assert abs(weighted[name] - truth[name]) < 0.3 * abs(ignoring[name] - truth[name])
    low, high = weighted["average_precision_interval"]
    assert low < truth["average_precision"] < high


def test_weights_by_hand():
    table = pd.DataFrame({"is_fraud": pd.array([1, 0, None, 0], dtype="Int8"), INCLUSION: [0.5, 1.0, np.nan, 0.001]})
    assert inclusion_weights(table).tolist() == [2.0, 1.0, 0.0, WEIGHT_CAP]
    assert inclusion_weights(table, cap=1.5).tolist() == [1.5, 1.0, 0.0, 1.5]
    assert at_rows(np.array([2.0, 1.0, 0.0, 3.0]), np.array([0, 3])).tolist() == [0.8, 1.2]


def test_without_the_column_all_count_alike(data):
    assert inclusion_weights(data[0]) is None
    assert at_rows(None, np.array([1, 2])) is None


def test_equal_chances_change_nothing_but_the_hash(data, names):
    table, features = data
    plain = train(table, features, names=names, rounds=20)
    weighted = train(table.assign(**{INCLUSION: 0.25}), features, names=names, rounds=20)
    np.testing.assert_allclose(plain.model.score(features), weighted.model.score(features), rtol=1e-3)
    assert plain.parts.data.sha256 != weighted.parts.data.sha256


@pytest.mark.parametrize("chance", [0.0, -0.1, 1.1, np.nan])
def test_a_labelled_row_without_a_chance_is_refused(data, names, chance):
    table, features = data
    chances = np.ones(len(table))
    chances[7] = chance
    with pytest.raises(DataError, match=r"1 labelled rows have no inclusion_probability .* row 7"):
        train(table.assign(**{INCLUSION: chances}), features, names=names)

import numpy as np
import pandas as pd
import pytest

from features.errors import DataError
from models.evaluate import evaluate
from models.families import compare_families
from models.train import train


def test_every_family_is_measured_on_the_test_window(data, names):
    table, features = data
    result = train(table, features, names=names, rounds=20)
    told = []
    rows = compare_families(table, features, result, resamples=10, progress=lambda stage, share: told.append(share))
    assert [row.family for row in rows] == ["logistic_regression", "random_forest", "lightgbm", "xgboost", "blend"]
    test = result.split.test.rows
    for row in rows:
        assert row.average_precision_interval[0] <= row.average_precision <= row.average_precision_interval[1]
        assert row.auc_interval[0] <= row.auc <= row.auc_interval[1]
        assert row.auc > 0.7
        assert row.fit_seconds > 0
    chosen = next(row for row in rows if row.family == result.model.scorer.family)
    alone = evaluate(result.model, table.iloc[test].reset_index(drop=True), features[test], resamples=0)
    assert chosen.average_precision == pytest.approx(alone["average_precision"], abs=1e-9)
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_comparison_rows_are_fitted_on_the_training_window_alone(data, names):
    table, features = data
    result = train(table, features, names=names, rounds=5)
    noise = features.copy()
    noise[result.split.validation.rows] += 7
    noise[result.split.calibration.rows] += 7
    first, second = (compare_families(table, matrix, result, resamples=2)[:2] for matrix in (features, noise))
    assert [row.average_precision for row in first] == [row.average_precision for row in second]


def test_without_a_test_window_the_remedy_is_named(data, names):
    table, features = data
    moment = pd.Timestamp(table["event_time"].iloc[-1])
    result = train(table, features, names=names, as_of=moment, rounds=5)
    assert result.split.test is None
    with pytest.raises(DataError, match="no test window") as caught:
        compare_families(table, features, result)
    assert "--split" in caught.value.remedy


def test_a_feature_that_is_always_missing_does_not_stop_the_comparison(data, names):
    table, features = data
    empty = features.copy()
    empty[:, 3] = np.nan
    result = train(table, empty, names=names, rounds=5)
    assert len(compare_families(table, empty, result, resamples=2)) == 5

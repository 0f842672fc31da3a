from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from features.errors import DataError
from models.bundle_writer import save_bundle
from models.train import train as train_fully


def train(*data, **options):
    return train_fully(*data, rounds=30, **options)


@pytest.fixture(scope="module")
def result(data, names):
    return train(*data, names=names)


def test_learns_chooses_and_reports(result, data, tmp_path):
    by_family = {one.family: one.average_precision for one in result.candidates}
    assert list(by_family) == ["lightgbm", "xgboost", "blend"]
    assert by_family[result.model.scorer.family] >= by_family["lightgbm"]
    test = result.parts.metrics["test"]
    assert test["average_precision"] > 5 * test["frauds"] / test["rows"]
    assert test["expected_calibration_error"] < 0.03
    assert result.parts.data.rows == sum(
        len(window.rows) for window in (result.split.train, result.split.validation, result.split.calibration)
    )
    save_bundle(tmp_path / "model", result.parts, created_at=datetime(2030, 4, 1, tzinfo=UTC)).smoke_test()


def test_same_data_and_seed_give_the_same_model(result, data, names, tmp_path):
    again = train(*data, names=names)
    assert again.parts.metrics == result.parts.metrics
    assert again.parts.data == result.parts.data
    created = datetime(2030, 4, 1, tzinfo=UTC)
    first = save_bundle(tmp_path / "a", result.parts, created_at=created)
    assert save_bundle(tmp_path / "b", again.parts, created_at=created).manifest == first.manifest


def test_another_seed_gives_another_model(result, data, names):
    features = data[1][:50]
    other = train(*data, names=names, seed=7)
    assert not np.array_equal(other.model.score(features), result.model.score(features))


def test_what_is_not_known_yet_changes_nothing(data, names):
    """No future: garble every label that arrives after the moment of training, and every later feature."""
    table, features = data
    moment = table["event_time"].iloc[2700]
    garbled, noise = table.copy(), features.copy()
    unknown = (table["label_time"] > moment).to_numpy()
    garbled.loc[unknown, "is_fraud"] = 1 - garbled.loc[unknown, "is_fraud"]
    garbled.loc[unknown, "label_time"] += pd.Timedelta(days=30)
    noise[(table["event_time"] > moment).to_numpy()] += 3
    honest, tampered = (train(*pair, names=names, as_of=moment) for pair in ((table, features), (garbled, noise)))
    np.testing.assert_array_equal(honest.model.score(features), tampered.model.score(features))
    assert honest.parts.data == tampered.parts.data


def test_data_hash_follows_the_data(result, data, names):
    table, features = data
    changed = features.copy()
    changed[0, 0] += 1
    assert train(table, changed, names=names).parts.data.sha256 != result.parts.data.sha256


def test_progress_rises_to_one(data, names):
    told = []
    train(*data, names=names, progress=lambda stage, share: told.append((stage, share)))
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert told[-1] == ("done", 1.0)
    assert "fitting lightgbm" in dict(told)


def test_unsuitable_input_is_refused(data, names):
    table, features = data
    infinite = features.copy()
    infinite[3, 2] = np.inf
    cases = [
        (table, features[:-1], names, "shape"),
        (table, features, names[:-1], "shape"),
        (table, features, ("amount",) * 5, "repeat"),
        (table, features.astype(np.float64), names, "float32"),
        (table, infinite, names, "Infinite values in feature merchant_fraud_rate_7d"),
        (table.iloc[::-1], features, names, "not sorted"),
    ]
    for one_table, matrix, columns, message in cases:
        with pytest.raises(DataError, match=message):
            train(one_table, matrix, names=columns)


@pytest.mark.parametrize("as_of", ["2029-01-01", "2030-01-02"])
def test_moment_without_known_labels_is_refused(data, names, as_of):
    with pytest.raises(DataError, match="later than the moment of training"):
        train(*data, names=names, as_of=pd.Timestamp(as_of, tz="UTC"))

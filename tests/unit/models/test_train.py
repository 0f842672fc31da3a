from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from features.errors import DataError
from models import candidates
from models.bundle_writer import save_bundle
from models.search_report import Bounds
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


def test_a_search_is_repeatable_bit_for_bit_and_reported(data, names, tmp_path):
    bounds = Bounds(trials=4)
    first, again = (train(*data, names=names, seed=3, bounds=bounds) for _ in range(2))
    assert first.parts.metrics == again.parts.metrics
    assert first.search == again.search
    created = datetime(2030, 4, 1, tzinfo=UTC)
    manifests = [save_bundle(tmp_path / "model", one.parts, created_at=created).manifest for one in (first, again)]
    assert manifests[0] == manifests[1]
    assert len(first.search.trials) == 8
    assert first.search.complete
    assert {family: trial.family for family, trial in first.search.chosen.items()} == {
        "lightgbm": "lightgbm",
        "xgboost": "xgboost",
    }
    reported = first.parts.metrics["search"]
    assert (reported["trials"], reported["trials_asked"]) == (8, 8)
    assert reported["validation_start"] == first.split.validation.start.timestamp()
    assert reported["validation_end"] == first.split.validation.end.timestamp()


def test_the_search_never_sees_what_comes_after_the_validation_window(data, names):
    table, features = data
    bounds = Bounds(trials=4)
    first = train(table, features, names=names, bounds=bounds)
    later = np.concatenate((first.split.calibration.rows, first.split.test.rows))
    noise = features.copy()
    noise[later] += np.random.default_rng(0).normal(size=(len(later), features.shape[1])).astype(np.float32)
    second = train(table, noise, names=names, bounds=bounds)
    assert first.search == second.search
    assert first.candidates == second.candidates


def test_without_a_search_there_is_no_report(result):
    assert result.search is None
    assert "search" not in result.parts.metrics


def test_chosen_family_is_the_fastest_unless_beaten_by_more_than_noise(data, names, monkeypatch):
    assert train(*data, names=names).model.scorer.family == "lightgbm"
    monkeypatch.setattr(candidates, "beats", lambda *_: True)
    slowest = train(*data, names=names)
    assert slowest.model.scorer.family == "blend"


def test_a_blend_is_saved_and_served(data, names, monkeypatch, tmp_path):
    monkeypatch.setattr(candidates, "beats", lambda *_: True)
    result = train(*data, names=names)
    bundle = save_bundle(tmp_path / "model", result.parts, created_at=datetime(2030, 4, 1, tzinfo=UTC))
    bundle.smoke_test()
    assert bundle.version.startswith("blend-")
    features = data[1][:200]
    np.testing.assert_array_equal(bundle.score(features), result.model.score(features))


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


def test_calibration_holds_on_the_test_window(make_history, names):
    result = train(*make_history(rows=120_000), names=names)
    test = result.parts.metrics["test"]
    assert 0.9 < test["recalibration_slope"] < 1.1
    assert test["expected_calibration_error"] < 0.1 * test["fraud_rate"]
    assert result.calibrations


def test_one_class_in_a_window_is_refused_by_its_name(data, names):
    table, features = data
    for after, window in ((2000, "validation"), (2600, "calibration")):
        honest = table.copy()
        honest.loc[honest.index > after, "is_fraud"] = 0
        with pytest.raises(DataError, match=f"The {window} window .* both classes"):
            train(honest, features, names=names)


def test_data_without_fraud_is_refused(data, names):
    table, features = data
    with pytest.raises(DataError, match="contain no fraud"):
        train(table.assign(is_fraud=pd.array([0] * len(table), dtype="Int8")), features, names=names)


@pytest.mark.parametrize("as_of", ["2029-01-01", "2030-01-02"])
def test_moment_without_known_labels_is_refused(data, names, as_of):
    with pytest.raises(DataError, match="later than the moment of training"):
        train(*data, names=names, as_of=pd.Timestamp(as_of, tz="UTC"))

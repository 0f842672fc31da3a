"""The fallback: taught by the model beside it, on its own columns, and held against that model on defaults."""

import msgspec
import numpy as np
import pytest

from features.errors import BundleError
from models.calibrated_model import CalibratedModel
from models.calibration import Platt
from models.calibration_fit import fit_platt
from models.companion_fitting import fallback_report, fit_companions, fit_fallback
from models.companions import Companions
from models.fallback import FILE_NAME, TREES_FILE, FallbackHead, fallback_from_bytes
from models.fitting import Sample
from models.splits import time_split


@pytest.fixture(scope="module")
def truth(data):
    return data[0]["is_fraud"].to_numpy(dtype=bool)


@pytest.fixture(scope="module")
def model(data, truth, scorers):
    scorer = scorers["lightgbm"]
    return CalibratedModel(scorer, fit_platt(scorer.margin(data[1]), truth))


def halves(features, truth, weights=None):
    """What the model has seen, and what came later."""
    return tuple(
        Sample(features[part], truth[part], None if weights is None else weights[part])
        for part in (slice(None, 3000), slice(3000, None))
    )


def windows(split, features, truth):
    return (Sample(features[rows], truth[rows]) for rows in (split.fitted, split.calibration.rows))


@pytest.fixture(scope="module")
def fallback(model, data, truth, names):
    return fit_fallback(model, *halves(data[1], truth), names)


def test_looks_at_the_request_alone(fallback, rows):
    assert fallback.head.features == ("amount",)
    changed = rows.copy()
    changed[:, 1:] = np.nan
    np.testing.assert_array_equal(fallback.score(changed), fallback.score(rows))
    assert np.ptp(fallback.score(rows)) > 0.05


def test_mimics_the_model_as_far_as_it_can_see(fallback, model, rows):
    by_amount = np.argsort(rows[:, 0])
    low, high = by_amount[:50], by_amount[-50:]
    for score in (fallback.score(rows), model.score(rows)):
        assert score[high].mean() > 3 * score[low].mean()


def test_learns_from_the_model_not_from_labels(data, truth, names, model, fallback):
    upside_down = CalibratedModel(model.scorer, Platt(-model.calibration.slope, 0.0))
    assert fit_fallback(upside_down, *halves(data[1], truth), names) is None
    assert fallback is not None


def test_explanations_add_up_and_leave_other_columns_out(fallback, rows):
    explanation = fallback.explain(rows)
    total = explanation.base + explanation.attributions.sum(axis=1)
    np.testing.assert_allclose(total, fallback.log_odds(rows), rtol=1e-9, atol=1e-9)
    assert not explanation.attributions[:, 1:].any()


def test_report_beats_the_model_on_defaults_where_the_model_leans_on_history(fallback, model, data, truth, names):
    report = fallback_report(model, fallback, halves(data[1], truth)[1], names)
    assert report["average_precision"] > report["average_precision_on_defaults"]
    assert set(report) == {
        *("average_precision", "average_precision_on_defaults"),
        *("expected_calibration_error", "expected_calibration_error_on_defaults"),
    }


def test_weights_stand_for_repeated_rows(model, data, truth, names):
    """Genuine payments of small amounts were looked at less often, so each of those that were counts more."""
    features = data[1]
    copies = np.where(~truth & (features[:, 0] < 0), 6, 1)
    plain, weighted = (fit_fallback(model, *halves(features, truth, w), names) for w in (None, copies.astype(float)))
    _, later = halves(features, truth)
    repeated = Sample(*(np.repeat(part, copies[3000:], axis=0) for part in (later.features, later.is_fraud)))
    by_hand = fit_platt(weighted.margin(repeated.features), repeated.is_fraud)
    assert weighted.head.calibration.slope == pytest.approx(by_hand.slope, rel=1e-4)
    assert weighted.head.calibration.intercept == pytest.approx(by_hand.intercept, rel=1e-4)
    assert (plain.margin(features) != weighted.margin(features)).any()
    assert weighted.score(features).mean() < plain.score(features).mean()


def test_another_calibration_keeps_the_trees(fallback, rows):
    moved = fallback.calibrated_by(fallback.head.calibration.adjusted(1.0, 2.0))
    np.testing.assert_array_equal(moved.margin(rows), fallback.margin(rows))
    np.testing.assert_allclose(moved.log_odds(rows), fallback.log_odds(rows) + 2.0)


def test_without_request_features_there_is_none(model, data, truth):
    names = ("a", "b", "c", "d", "e")
    assert fit_fallback(model, *halves(data[1], truth), names) is None


def test_same_data_and_seed_give_the_same_companions(model, data, truth, names):
    split = time_split(data[0])
    first, again = (fit_companions(model, *windows(split, data[1], truth), names) for _ in range(2))
    assert first.fallback.scorer.to_bytes() == again.fallback.scorer.to_bytes()
    assert first.fallback.head == again.fallback.head


def test_what_lies_after_the_calibration_window_changes_nothing(model, data, truth, names):
    table, features = data
    split = time_split(table)
    noise, garbled = features.copy(), truth.copy()
    noise[split.test.rows] += 3
    garbled[split.test.rows] = ~garbled[split.test.rows]
    honest = fit_companions(model, *windows(split, features, truth), names)
    tampered = fit_companions(model, *windows(split, noise, garbled), names)
    np.testing.assert_array_equal(honest.fallback.score(features), tampered.fallback.score(features))


def head(*features):
    return msgspec.json.encode(FallbackHead(features=features, calibration=Platt(1.0, 0.0)))


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (TREES_FILE, b"\x80\x04pickle", r"fallback\.txt is not a complete LightGBM text model"),
        (FILE_NAME, b"\x80\x04pickle", r"fallback\.json cannot be read"),
        (FILE_NAME, head("entropy"), "unknown to the bundle: .*entropy"),
        (FILE_NAME, head("amount", "night"), "names 2 features for trees of 1"),
    ],
)
def test_foreign_files_are_refused_by_name(fallback, rows, names, tmp_path, file, content, message):
    Companions(fallback=fallback).save(tmp_path, rows)
    raw = {path.name: path.read_bytes() for path in tmp_path.iterdir()} | {file: content}
    with pytest.raises(BundleError, match=message):
        fallback_from_bytes(raw[TREES_FILE], raw[FILE_NAME], "bundle", names)

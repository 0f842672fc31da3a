import msgspec
import numpy as np
import pytest

from features.errors import BundleError, DataError
from models import metrics
from models.blend_scorer import FILE_NAMES, BlendScorer, BlendWeights, from_files
from models.blending import SHARES, beats, blend
from models.calibration_fit import fit_platt
from models.fitting import Sample


@pytest.fixture(scope="module")
def sample(data):
    table, features = data
    return Sample(features, table["is_fraud"].to_numpy(dtype=bool))


def test_margin_is_the_weighted_sum_of_both(scorers, rows):
    one, other = scorers["lightgbm"], scorers["xgboost"]
    mixed = BlendScorer(one, other, BlendWeights(0.7, 0.4, -0.3))
    np.testing.assert_allclose(mixed.margin(rows), 0.7 * one.margin(rows) + 0.4 * other.margin(rows) - 0.3)


def test_shares_are_the_best_of_those_tried(scorers, sample):
    one, other = scorers["lightgbm"], scorers["xgboost"]
    reached = metrics.average_precision(sample.is_fraud, blend(one, other, sample).margin(sample.features))
    margins = [scorer.margin(sample.features) for scorer in (one, other)]
    levels = [fit_platt(margin, sample.is_fraud).log_odds(margin) for margin in margins]
    tried = [metrics.average_precision(sample.is_fraud, w * levels[0] + (1 - w) * levels[1]) for w in SHARES]
    assert reached == pytest.approx(max(tried), abs=1e-9)


def test_a_part_that_ranks_no_better_than_chance_is_not_blended(scorers, sample):
    turned = Sample(sample.features, ~sample.is_fraud)
    with pytest.raises(DataError, match="no better than chance"):
        blend(scorers["lightgbm"], scorers["xgboost"], turned)


def test_beating_takes_more_than_noise(sample):
    random = np.random.default_rng(0)
    cards = np.arange(len(sample.is_fraud)) // 4
    good = sample.is_fraud * 2.0 + random.normal(size=len(cards))
    assert beats(good, random.normal(size=len(cards)), sample, cards, 0)
    assert not beats(good, good, sample, cards, 0)  # a tie is no win
    assert not beats(good + random.normal(0, 0.05, len(cards)), good, sample, cards, 0)


def test_the_best_of_many_tries_must_win_more_clearly(sample):
    random = np.random.default_rng(3)
    cards = np.arange(len(sample.is_fraud))
    good = sample.is_fraud * 2.0 + random.normal(size=len(cards))
    shaken = good + random.normal(0, 0.5, len(cards))
    better = (shaken + gain * sample.is_fraud for gain in np.linspace(0, 3, 61))
    first = next(one for one in better if beats(one, good, sample, cards, 0))
    assert not beats(first, good, sample, cards, 0, tries=20)


def test_a_win_on_one_card_is_noise(sample):
    random = np.random.default_rng(0)
    good = sample.is_fraud * 2.0 + random.normal(size=len(sample.is_fraud))
    better = np.where(sample.is_fraud, good + 1, good)
    each = np.arange(len(good))
    assert beats(better, good, sample, each, 0)
    # The same gain, all of it on a single card, is absent from a third of the resamples.
    single = np.where(sample.is_fraud, 0, each)
    lucky = np.where((single == 0) & sample.is_fraud, better, good)
    assert not beats(lucky, good, sample, single, 0)


@pytest.mark.parametrize("text", [b"", b"{}", b"\x80\x04pickle", b'{"lightgbm":1,"xgboost":1,"intercept":0,"more":1}'])
def test_foreign_weights_are_refused(scorers, tmp_path, text):
    scorers["blend"].save(tmp_path)
    raw = {name: (tmp_path / name).read_bytes() for name in FILE_NAMES} | {"blend.json": text}
    with pytest.raises(BundleError, match=r"blend\.json"):
        from_files(raw, tmp_path)


def test_parts_of_two_trainings_are_refused(scorers, data):
    from models.fitting import fit_xgboost  # noqa: PLC0415

    narrow = fit_xgboost(Sample(data[1][:, :3], data[0]["is_fraud"].to_numpy(dtype=bool)), None, 0, 3).scorer
    with pytest.raises(BundleError, match="5 features, its XGBoost model 3"):
        BlendScorer(scorers["lightgbm"], narrow, BlendWeights(1, 1, 0))


def test_saves_both_models_and_the_weights(scorers, tmp_path):
    path = scorers["blend"].save(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(FILE_NAMES)
    assert msgspec.json.decode(path.read_bytes(), type=BlendWeights) == scorers["blend"].weights

"""The conformance suite of the `Scorer` protocol, run over every family."""

import numpy as np
import pytest
import shap

from features.errors import BundleError
from models import blend_scorer, lightgbm_scorer, xgboost_scorer

MODULES = {"lightgbm": lightgbm_scorer, "xgboost": xgboost_scorer}


def load(family, directory):
    if family == "blend":
        return blend_scorer.from_files({n: (directory / n).read_bytes() for n in blend_scorer.FILE_NAMES}, directory)
    return MODULES[family].load(directory / MODULES[family].FILE_NAME)


def test_row_scores_the_same_alone_and_in_any_batch(scorer, rows):
    together = scorer.margin(rows)
    alone = np.concatenate([scorer.margin(rows[i : i + 1]) for i in range(len(rows))])
    shuffled = np.random.default_rng(0).permutation(len(rows))
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together[shuffled], scorer.margin(rows[shuffled]))


def test_margin_is_float64_and_ranks(scorer, data):
    table, features = data
    margin = scorer.margin(features)
    fraud = table["is_fraud"].to_numpy(dtype=bool)
    assert margin.dtype == np.float64
    assert margin.shape == (len(table),)
    assert margin[fraud].mean() > margin[~fraud].mean() + 0.5  # log-odds


def test_contributions_sum_to_the_margin(scorer, rows):
    contributions = scorer.contributions(rows)
    assert contributions.shape == (len(rows), rows.shape[1] + 1)
    np.testing.assert_allclose(contributions.sum(axis=1), scorer.margin(rows), rtol=1e-9, atol=1e-12)
    assert np.ptp(contributions[:, -1]) == 0


@pytest.mark.parametrize("family", sorted(MODULES))
def test_contributions_are_shap_values(scorers, family, rows):
    scorer = scorers[family]
    explainer = shap.TreeExplainer(scorer._booster)
    # By default shap asks the library itself; "internal" makes it use its own implementation instead.
    explainer.model.model_type = "internal"
    expected = explainer.shap_values(rows[:50], check_additivity=False)
    np.testing.assert_allclose(scorer.contributions(rows[:50])[:, :-1], expected, rtol=1e-4, atol=1e-5)


def test_missing_values_are_scored(scorer, rows):
    assert np.isfinite(scorer.margin(np.full_like(rows[:2], np.nan))).all()


def test_no_rows(scorer, rows):
    assert scorer.margin(rows[:0]).shape == (0,)
    assert scorer.contributions(rows[:0]).shape == (0, rows.shape[1] + 1)


def test_wrong_width_is_refused(scorer, rows):
    with pytest.raises(ValueError, match=r"\(n, 5\), got \(300, 4\)"):
        scorer.margin(rows[:, :4])


def test_save_and_load_score_alike(scorer, rows, tmp_path):
    scorer.save(tmp_path)
    again = load(scorer.family, tmp_path)
    np.testing.assert_array_equal(again.margin(rows), scorer.margin(rows))


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x04\x95pickle", b"tree\nversion=v4\n", b"{L", b'{"learner": {}}', b"\xff"]
)
@pytest.mark.parametrize("family", sorted(MODULES))
def test_foreign_files_are_refused(family, content, tmp_path):
    path = tmp_path / "model"
    path.write_bytes(content)
    with pytest.raises(BundleError, match="train again"):
        MODULES[family].load(path)


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_truncated_file_is_refused(scorer, share, tmp_path):
    path = scorer.save(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BundleError, match=str(path)):
        load(scorer.family, tmp_path)


@pytest.mark.parametrize("family", sorted(MODULES))
@pytest.mark.parametrize("offset", [-3.5, 2.0])
def test_shifting_moves_every_margin_and_no_attribution(scorers, family, offset, rows, tmp_path):
    shifted = scorers[family].shifted(offset)
    np.testing.assert_allclose(shifted.margin(rows), scorers[family].margin(rows) + offset, rtol=0, atol=1e-5)
    moved = shifted.contributions(rows) - scorers[family].contributions(rows)
    np.testing.assert_allclose(moved[:, :-1], 0, atol=1e-5)
    np.testing.assert_allclose(moved[:, -1], offset, atol=1e-5)
    shifted.save(tmp_path)
    np.testing.assert_array_equal(load(family, tmp_path).margin(rows), shifted.margin(rows))

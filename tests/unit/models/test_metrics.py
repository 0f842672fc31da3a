"""Worked by hand where the comment says so; against scikit-learn or brute force elsewhere."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from features.errors import DataError
from models import metrics

TRUTH = [1, 0, 1, 0, 0]
SCORES = [0.9, 0.8, 0.7, 0.3, 0.1]


def test_auc_by_hand():
    # 2 frauds x 3 genuine = 6 pairs; only (0.7 fraud, 0.8 genuine) is the wrong way round.
    assert metrics.auc(TRUTH, SCORES) == pytest.approx(5 / 6)


def test_auc_counts_ties_half():
    assert metrics.auc([1, 0], [0.5, 0.5]) == 0.5


def test_average_precision_by_hand():
    # Recall rises by 1/2 at rank 1 (precision 1) and by 1/2 at rank 3 (precision 2/3).
    assert metrics.average_precision(TRUTH, SCORES) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_weights_stand_for_repeated_rows():
    weighted = metrics.average_precision(TRUTH, SCORES, [2, 1, 0, 3, 1])
    assert weighted == pytest.approx(
        metrics.average_precision([1, 1, 0, 0, 0, 0, 0], [0.9, 0.9, 0.8, 0.3, 0.3, 0.3, 0.1])
    )


def test_recall_at_fpr_by_hand():
    # No false alarm allowed: only the fraud at 0.9. One of three genuine (0.33): the threshold 0.7 catches both.
    assert metrics.recall_at_fpr(TRUTH, SCORES, [0.0, 0.3, 1 / 3, 1.0]) == [0.5, 0.5, 1.0, 1.0]


def test_value_detection_rate_by_hand():
    assert metrics.value_detection_rate(TRUTH, [30, 5, 70, 5, 5], [1, 1, 0, 0, 0]) == pytest.approx(0.3)


def test_value_detection_rate_without_fraud_is_refused():
    with pytest.raises(DataError, match="No fraudulent amount"):
        metrics.value_detection_rate([0, 0], [1, 2], [1, 0])


def test_brier_by_hand():
    assert metrics.brier([1, 0], [0.8, 0.4]) == pytest.approx((0.2**2 + 0.4**2) / 2)


def test_expected_calibration_error_by_hand():
    # Two bins of equal mass: means .15 and .75 against rates 0 and .5.
    assert metrics.expected_calibration_error([0, 0, 0, 1], [0.1, 0.2, 0.7, 0.8], bins=2) == pytest.approx(
        (0.15 + 0.25) / 2
    )


def test_calibrated_scores_have_no_calibration_error():
    assert metrics.expected_calibration_error([0, 1, 0, 1], [0.5] * 4, bins=1) == 0


def test_card_precision_by_hand():
    # Day 1, k=2: A (.9) and B (.8) are investigated, A is compromised: 1/2. Day 2: A has left, so B (.7) and C (.6),
    # both compromised: 2/2. Day 3: A, B, C have left and only D remains, genuine: 0/2. The mean is 1/2.
    days = [1, 1, 1, 1, 2, 2, 2, 3, 3]
    cards = ["A", "A", "B", "C", "A", "B", "C", "A", "D"]
    scores = [0.2, 0.9, 0.8, 0.1, 0.99, 0.7, 0.6, 0.9, 0.5]
    fraud = [1, 0, 0, 0, 1, 1, 1, 1, 0]
    assert metrics.card_precision_at_k(days, cards, scores, fraud, k=2) == pytest.approx(0.5)


def test_card_precision_divides_by_k_even_with_fewer_cards():
    assert metrics.card_precision_at_k([1], ["A"], [0.9], [1], k=100) == pytest.approx(0.01)


def test_card_precision_agrees_with_brute_force():
    random = np.random.default_rng(3)
    days, cards = random.integers(0, 6, 3000), random.integers(0, 250, 3000)
    scores, fraud = random.random(3000), random.random(3000) < 0.05
    found, daily = set(), []
    for day in range(6):
        best, bad = {}, set()
        for d, card, score, is_fraud in zip(days, cards, scores, fraud, strict=True):
            if d == day and card not in found:
                best[card] = max(best.get(card, -1), score)
                if is_fraud:
                    bad.add(card)
        hits = [card for card in sorted(best, key=best.get, reverse=True)[:20] if card in bad]
        found.update(hits)
        daily.append(len(hits) / 20)
    assert metrics.card_precision_at_k(days, cards, scores, fraud, k=20) == pytest.approx(np.mean(daily))


@pytest.mark.parametrize("truth", [[0, 0], [1, 1]])
@pytest.mark.parametrize("metric", [metrics.auc, metrics.average_precision])
def test_one_class_is_refused(metric, truth):
    with pytest.raises(DataError, match="both classes"):
        metric(truth, [0.1, 0.2])


def test_nan_scores_are_refused():
    with pytest.raises(DataError, match="NaN"):
        metrics.auc([0, 1], [0.1, np.nan])


@pytest.fixture
def tied():
    random = np.random.default_rng(5)
    scores = random.integers(0, 12, 300) / 12
    return random.random(300) < scores**2, scores


def test_auc_agrees_with_all_pairs_and_with_scikit_learn(tied):
    fraud, scores = tied
    pairs = [(f > g) + 0.5 * (f == g) for f in scores[fraud] for g in scores[~fraud]]
    assert metrics.auc(fraud, scores) == pytest.approx(np.mean(pairs))
    assert metrics.auc(fraud, scores) == pytest.approx(roc_auc_score(fraud, scores))


def test_average_precision_agrees_with_every_threshold_and_with_scikit_learn(tied):
    fraud, scores = tied
    total = recall = 0.0
    for threshold in sorted(set(scores), reverse=True):
        flagged = scores >= threshold
        gained = fraud[flagged].sum() / fraud.sum()
        total += (gained - recall) * fraud[flagged].mean()
        recall = gained
    assert metrics.average_precision(fraud, scores) == pytest.approx(total)
    assert metrics.average_precision(fraud, scores) == pytest.approx(average_precision_score(fraud, scores))


def test_weights_stand_for_repeated_rows_in_every_metric(tied):
    fraud, scores = tied
    copies = np.random.default_rng(6).integers(0, 4, len(scores))
    many = np.repeat(np.arange(len(scores)), copies)
    amounts, flagged = scores * 100 + 1, scores > 0.5
    assert metrics.brier(fraud, scores, copies) == pytest.approx(metrics.brier(fraud[many], scores[many]))
    assert metrics.auc(fraud, scores, copies) == pytest.approx(metrics.auc(fraud[many], scores[many]))
    assert metrics.value_detection_rate(fraud, amounts, flagged, copies) == pytest.approx(
        metrics.value_detection_rate(fraud[many], amounts[many], flagged[many])
    )
    # One bin: the bins of a resample are those of the sample, so only there both must agree.
    assert metrics.expected_calibration_error(fraud, scores, 1, copies) == pytest.approx(
        metrics.expected_calibration_error(fraud[many], scores[many], 1)
    )

import numpy as np
import pytest

from models import metrics
from models.curves import LOW_FPR, POINTS, low_roc, precision_recall


@pytest.fixture(scope="module")
def ranked():
    random = np.random.default_rng(0)
    fraud = random.random(20_000) < 0.02
    return fraud, random.normal(0, 1, 20_000) + 2 * fraud


def test_points_lie_on_the_metrics(ranked):
    curve = low_roc(*ranked)
    assert len(curve.x) <= POINTS
    assert (curve.x[0], curve.x[-1]) == (0, LOW_FPR)
    for at in (0, len(curve.x) // 2):
        assert curve.y[at] <= metrics.recall_at_fpr(*ranked, [curve.x[at]])[0]
    assert np.interp(0.01, curve.x, curve.y) == pytest.approx(metrics.recall_at_fpr(*ranked, [0.01])[0], abs=0.02)


def test_area_under_the_thinned_curve_is_near_average_precision(ranked):
    curve = precision_recall(*ranked)
    assert len(curve.x) <= POINTS
    assert np.trapezoid(curve.y, curve.x) == pytest.approx(metrics.average_precision(*ranked), abs=0.01)

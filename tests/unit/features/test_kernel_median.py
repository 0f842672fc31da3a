import numba
import numpy as np
import pytest

from features.kernel_median import median


@numba.njit
def call(values, count):
    return median(values, count)


@pytest.mark.parametrize("count", [1, 2, 3, 8, 31])
def test_the_median_is_the_median(count):
    rng = np.random.default_rng(count)
    for values in (rng.normal(size=count), np.full(count, 2.5), np.arange(count, 0.0, -1.0)):
        assert call(values.copy(), count) == pytest.approx(np.median(values))

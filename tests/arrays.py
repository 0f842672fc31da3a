"""Comparison of arrays bit by bit."""

import numpy as np


def same_bits(one, other):
    """Whether two arrays have the same dtype, shape and bits, those of missing values and signs of zero included.

    For use in place of ``one.tobytes() == other.tobytes()``, whose failure leaves pytest drawing up a difference of
    megabytes.
    """
    return one.dtype == other.dtype and one.shape == other.shape and bool((_bits(one) == _bits(other)).all())


def _bits(array):
    return np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")

"""The gate in front of every scorer: a float32 matrix of the right width, or an error that says what came instead."""

import numpy as np

from models.scorer import Matrix


def check_matrix(features: Matrix, width: int) -> Matrix:
    """Return ``features`` as a C-contiguous float32 matrix of shape (n, ``width``); a single row may be 1-D.

    Raises ValueError on any other shape: a wrong width means features in another order, which a tree would score
    without complaint.
    """
    matrix = np.ascontiguousarray(features, dtype=np.float32)
    if matrix.ndim == 1:
        matrix = matrix[np.newaxis, :]
    if matrix.ndim != 2 or matrix.shape[1] != width:
        raise ValueError(f"Expected a feature matrix of shape (n, {width}), got {np.shape(features)}.")
    return matrix

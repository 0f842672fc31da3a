"""The real-time head in numpy: stored embeddings and a transaction's own features make its ring score.

Serving needs no PyTorch. What has no embedding yet gets one in one hop, from the transaction's other entities.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.rings.inputs import Scaling
from models.scorer import Matrix, Vector

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
# Multiplications that the linear algebra library does in one thread. It spreads larger products over threads, which
# wait for each other on a busy machine: a micro-batch of 64 then took a hundred times as long.
ONE_THREAD = 2**18


@dataclass(frozen=True, slots=True)
class Head:
    """Weights, float32; t types, d numbers an embedding, f features, h hidden units.

    ``one_hop`` (t, d, t, d) leads from types with an embedding to those without; ``unknown`` (t, d) is added to that;
    ``hidden`` (t * (d + 2) + f, h), ``hidden_bias`` (h,), ``out`` (h,), ``out_bias`` (1,).
    """

    one_hop: Floats
    unknown: Floats
    hidden: Floats
    hidden_bias: Floats
    out: Floats
    out_bias: Floats
    scaling: Scaling

    @property
    def width(self) -> int:
        """Numbers in an embedding."""
        return int(self.unknown.shape[1])

    def log_odds(self, embedded: Floats, known: Bools, present: Bools, features: Matrix) -> Vector:
        """Log-odds of fraud, shape (n,), float64.

        ``embedded`` (n, t, d), zero where not ``known`` (n, t); ``present`` (n, t) says which entities the transaction
        names; ``features`` (n, f) are those of `models.rings.inputs`, missing values NaN.
        """
        rows, types, width = embedded.shape
        flat = np.ascontiguousarray(embedded.reshape(rows, types * width))
        lacking = present & ~known
        if lacking.any():
            count = np.maximum(known.sum(axis=1, dtype=np.float32), np.float32(1.0))[:, np.newaxis, np.newaxis]
            beside = _product(flat, self.one_hop.reshape(types * width, types * width)).reshape(embedded.shape) / count
            guess = np.maximum(self.unknown + beside, np.float32(0.0))
            flat = np.where(lacking[:, :, np.newaxis], guess, embedded).reshape(flat.shape)
        joined = np.concatenate((flat, known, present, self.scaling(features)), axis=1, dtype=np.float32)
        hidden = np.maximum(_product(joined, self.hidden) + self.hidden_bias, np.float32(0.0))
        return np.asarray(hidden @ self.out + self.out_bias[0], dtype=np.float64)


def _product(rows: Floats, weights: Floats) -> Floats:
    """Return ``rows`` (n, k) times ``weights`` (k, m), a few rows at a time."""
    step = max(1, ONE_THREAD // weights.size)
    out = np.empty((len(rows), weights.shape[1]), np.float32)
    for begin in range(0, len(rows), step):
        np.matmul(rows[begin : begin + step], weights, out=out[begin : begin + step])
    return out

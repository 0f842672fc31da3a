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


@dataclass(frozen=True, slots=True)
class Head:
    """Weights, float32; t types, d numbers an embedding, f features, h hidden units.

    ``one_hop`` (t, t, d, d) leads from the type with an embedding (second) to the one without (first); ``unknown``
    (t, d) is added to that; ``hidden`` (t * (d + 2) + f, h), ``hidden_bias`` (h,), ``out`` (h,), ``out_bias`` (1,).
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
        return self.unknown.shape[1]

    def log_odds(self, embedded: Floats, known: Bools, present: Bools, features: Matrix) -> Vector:
        """Log-odds of fraud, shape (n,), float64.

        ``embedded`` (n, t, d), zero where not ``known`` (n, t); ``present`` (n, t) says which entities the transaction
        names; ``features`` (n, f) are those of `models.rings.inputs`, missing values NaN.
        """
        rows, types, width = embedded.shape
        filled = embedded
        lacking = present & ~known
        if lacking.any():
            filled = embedded.copy()
            for code in np.flatnonzero(lacking.any(axis=0)):
                at = np.flatnonzero(lacking[:, code])
                beside = embedded[at].reshape(len(at), types * width) @ self.one_hop[code].reshape(types * width, width)
                count = np.maximum(known[at].sum(axis=1, dtype=np.float32), np.float32(1.0))
                filled[at, code] = np.maximum(self.unknown[code] + beside / count[:, np.newaxis], 0.0)
        joined = np.concatenate(
            (filled.reshape(rows, types * width), known, present, self.scaling(features)), axis=1, dtype=np.float32
        )
        hidden = np.maximum(joined @ self.hidden + self.hidden_bias, 0.0)
        return np.asarray(hidden @ self.out + self.out_bias[0], dtype=np.float64)

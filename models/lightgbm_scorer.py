"""LightGBM behind the `Scorer` protocol: text format, one thread, float64 margins."""

from pathlib import Path

import lightgbm as lgb
import numpy as np

from features.errors import BundleError
from models.feature_matrix import check_matrix
from models.scorer import Matrix, Vector

FILE_NAME = "model.txt"


class LightGBMScorer:
    """A binary LightGBM booster. Trees are summed in float64 in their order, so a row scores the same in any batch."""

    family = "lightgbm"

    def __init__(self, booster: lgb.Booster) -> None:
        self._booster = booster
        self._width = booster.num_feature()

    @property
    def width(self) -> int:
        """Number of features the trees expect."""
        return self._width

    def margin(self, features: Matrix) -> Vector:
        """Raw log-odds, shape (n,)."""
        matrix = check_matrix(features, self._width)
        if not len(matrix):
            return np.empty(0)
        return self._predict(matrix, raw_score=True)

    def contributions(self, features: Matrix) -> Vector:
        """Exact TreeSHAP (path-dependent; Lundberg et al. 2020), shape (n, f + 1), base value last."""
        matrix = check_matrix(features, self._width)
        if not len(matrix):
            return np.empty((0, self._width + 1))
        return self._predict(matrix, pred_contrib=True)

    def _predict(self, matrix: Matrix, *, raw_score: bool = False, pred_contrib: bool = False) -> Vector:
        # check_matrix has checked the shape; LightGBM's own check costs a fifth of a single-row call.
        raw = self._booster.predict(
            matrix, raw_score=raw_score, pred_contrib=pred_contrib, num_threads=1, predict_disable_shape_check=True
        )
        return np.asarray(raw, dtype=np.float64)

    def shifted(self, offset: float) -> "LightGBMScorer":
        """Return the same model with ``offset`` added to every margin: every row meets one leaf of the first tree."""
        booster = lgb.Booster(model_str=self._booster.model_to_string())
        leaves = booster.dump_model(num_iteration=1)["tree_info"][0]["num_leaves"]
        for leaf in range(leaves):
            booster.set_leaf_output(0, leaf, booster.get_leaf_output(0, leaf) + offset)
        return LightGBMScorer(lgb.Booster(model_str=booster.model_to_string()))

    def save(self, directory: Path) -> Path:
        """Write ``model.txt`` and return its path."""
        path = directory / FILE_NAME
        path.write_bytes(self.to_bytes())
        return path

    def to_bytes(self) -> bytes:
        """Return the model in LightGBM's text format."""
        text: str = self._booster.model_to_string()
        return text.encode()


def from_bytes(content: bytes, source: str) -> LightGBMScorer:
    """Parse a model in LightGBM's text format; raise `BundleError` naming ``source`` if it is anything else."""
    remedy = "Restore the file from a backup or train again."
    # The parser tolerates missing trailers and stops at the first odd line, so look for both ends ourselves.
    if not content.startswith(b"tree\n") or b"\nend of trees\n" not in content:
        raise BundleError(f"{source} is not a complete LightGBM text model.", remedy=remedy)
    try:
        return LightGBMScorer(lgb.Booster(model_str=content.decode("utf-8")))
    except (lgb.basic.LightGBMError, UnicodeDecodeError, ValueError) as error:
        raise BundleError(f"{source} cannot be read as a LightGBM model: {error}.", remedy=remedy) from error


def load(path: Path) -> LightGBMScorer:
    """Read a model saved by `LightGBMScorer.save`."""
    return from_bytes(path.read_bytes(), str(path))

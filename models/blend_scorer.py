"""The blend: a weighted sum of the LightGBM and the XGBoost model's margins, behind the `Scorer` protocol.

Saved as both libraries' own files and a small JSON file with the factors.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from features.errors import BundleError
from models import lightgbm_scorer, xgboost_scorer
from models.scorer import Matrix, Scorer, Vector

FILE_NAME = "blend.json"
FILE_NAMES = (lightgbm_scorer.FILE_NAME, xgboost_scorer.FILE_NAME, FILE_NAME)


class BlendWeights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``blend.json``: margin = ``lightgbm`` * its margin + ``xgboost`` * its margin + ``intercept``."""

    lightgbm: float
    xgboost: float
    intercept: float


class BlendScorer:
    """Both boosters and what they count. Each part scores a row the same in any batch, so their sum does too."""

    family = "blend"

    def __init__(self, first: Scorer, second: Scorer, weights: BlendWeights) -> None:
        if first.width != second.width:
            raise BundleError(
                f"The blend's LightGBM model expects {first.width} features, its XGBoost model {second.width}.",
                remedy="Train again: both must come from one training.",
            )
        self._first = first
        self._second = second
        self.weights = weights

    @property
    def width(self) -> int:
        """Number of features the trees expect."""
        return self._first.width

    def margin(self, features: Matrix) -> Vector:
        """Weighted log-odds, shape (n,)."""
        first, second = self._first.margin(features), self._second.margin(features)
        return self.weights.lightgbm * first + self.weights.xgboost * second + self.weights.intercept

    def contributions(self, features: Matrix) -> Vector:
        """Weighted sum of both TreeSHAPs, shape (n, f + 1), base value last: SHAP values are linear in the model."""
        first, second = self._first.contributions(features), self._second.contributions(features)
        total: Vector = self.weights.lightgbm * first + self.weights.xgboost * second
        total[:, -1] += self.weights.intercept
        return total

    def save(self, directory: Path) -> Path:
        """Write ``model.txt``, ``model.ubj`` and ``blend.json``; return the path of the last."""
        self._first.save(directory)
        self._second.save(directory)
        path = directory / FILE_NAME
        path.write_bytes(msgspec.json.encode(self.weights))
        return path


def from_files(raw: Mapping[str, bytes], directory: Path) -> BlendScorer:
    """Parse the three files of a blend; raise `BundleError` naming the file that is anything else."""
    first, second, third = ((raw[name], str(directory / name)) for name in FILE_NAMES)
    try:
        weights = msgspec.json.decode(third[0], type=BlendWeights)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BundleError(
            f"{third[1]} is not a blend's weights: {error}.",
            remedy="Restore the file from a backup or train again.",
        ) from error
    return BlendScorer(lightgbm_scorer.from_bytes(*first), xgboost_scorer.from_bytes(*second), weights)

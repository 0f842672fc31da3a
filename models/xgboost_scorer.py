"""XGBoost behind the `Scorer` protocol: UBJSON format, one thread, float32 trees."""

import json
import math
from pathlib import Path

import numpy as np
import xgboost as xgb

from features.errors import BundleError
from models.feature_matrix import check_matrix
from models.scorer import Matrix, Vector

FILE_NAME = "model.ubj"
MAX_ROUNDING = 1e-3  # log-odds; more than float32 rounding can explain


class XGBoostScorer:
    """A binary XGBoost booster. Each row adds its trees up in their order, so it scores the same in any batch."""

    family = "xgboost"

    def __init__(self, booster: xgb.Booster) -> None:
        booster.set_param({"nthread": 1})
        self._booster = booster
        self._width = int(booster.num_features())

    @property
    def width(self) -> int:
        """Number of features the trees expect."""
        return self._width

    def margin(self, features: Matrix) -> Vector:
        """Raw log-odds, shape (n,)."""
        matrix = check_matrix(features, self._width)
        if not len(matrix):
            return np.empty(0)
        # check_matrix has checked the shape already.
        raw = self._booster.inplace_predict(matrix, predict_type="margin", validate_features=False)
        return np.asarray(raw, dtype=np.float64)

    def contributions(self, features: Matrix) -> Vector:
        """Exact TreeSHAP (path-dependent; Lundberg et al. 2020), shape (n, f + 1), base value last.

        XGBoost adds attributions up in float32, which leaves each row about 1e-6 off its margin. That rounding goes
        to the row's largest attribution, so that what is explained is exactly what was served.
        """
        matrix = check_matrix(features, self._width)
        if not len(matrix):
            return np.empty((0, self._width + 1))
        data = xgb.DMatrix(matrix, nthread=1)
        shap = self._booster.predict(data, pred_contribs=True, validate_features=False).astype(np.float64)
        rounding = self.margin(matrix) - shap.sum(axis=1)
        if np.abs(rounding).max() > MAX_ROUNDING:
            raise BundleError(
                f"XGBoost attributions miss the margin by {np.abs(rounding).max():.2g}.",
                remedy="The model and the library do not fit together: train again with the installed XGBoost.",
            )
        shap[np.arange(len(shap)), np.abs(shap[:, :-1]).argmax(axis=1)] += rounding
        return shap

    def shifted(self, offset: float) -> "XGBoostScorer":
        """Return the same model with ``offset`` added to every margin: it moves the base score, a probability."""
        model = json.loads(self._booster.save_raw("json"))
        parameters = model["learner"]["learner_model_param"]
        start = float(json.loads(parameters["base_score"])[0])
        moved = 1 / (1 + math.exp(-(math.log(start / (1 - start)) + offset)))
        parameters["base_score"] = f"[{moved:.9E}]"
        return XGBoostScorer(xgb.Booster(model_file=bytearray(json.dumps(model).encode())))

    def save(self, directory: Path) -> Path:
        """Write ``model.ubj`` and return its path."""
        path = directory / FILE_NAME
        path.write_bytes(self._booster.save_raw("ubj"))
        return path


def from_bytes(content: bytes, source: str) -> XGBoostScorer:
    """Parse a model in UBJSON; raise `BundleError` naming ``source`` if it is anything else."""
    remedy = "Restore the file from a backup or train again."
    # A UBJSON object opens with a brace and a length marker; text JSON, pickles and old binaries do not.
    if not content.startswith((b"{L", b"{l", b"{i", b"{I", b"{U")):
        raise BundleError(f"{source} is not an XGBoost UBJSON model.", remedy=remedy)
    try:
        return XGBoostScorer(xgb.Booster(model_file=bytearray(content)))
    except (xgb.core.XGBoostError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise BundleError(f"{source} cannot be read as an XGBoost model: {reason}", remedy=remedy) from error


def load(path: Path) -> XGBoostScorer:
    """Read a model saved by `XGBoostScorer.save`."""
    return from_bytes(path.read_bytes(), str(path))

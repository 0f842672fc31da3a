"""The fallback: a small model on what a request carries itself, trained to mimic the champion.

It scores payments while the feature store is out of reach. The champion would then read defaults in nearly every
column, rows as it has hardly met in training, and rank and calibrate worse than a model that never expected more:
the manifest's ``fallback`` metrics hold both against each other.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from features.errors import BundleError
from models import lightgbm_scorer
from models.calibrated_model import CalibratedModel, Explanation
from models.calibration import Calibration
from models.lightgbm_scorer import LightGBMScorer
from models.scorer import Matrix, Vector

TREES_FILE = "fallback.txt"
FILE_NAME = "fallback.json"


class FallbackHead(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``fallback.json``: its columns, its calibration, and the log-odds expected of the bundle's probes."""

    features: tuple[str, ...]
    calibration: Calibration
    log_odds: list[float] = []


class Fallback:
    """Takes the champion's feature matrices, shape (n, f), and looks at its own columns alone."""

    def __init__(self, scorer: LightGBMScorer, head: FallbackHead, names: Sequence[str]) -> None:
        self.scorer = scorer
        self.head = head
        self._names = tuple(names)
        self._model = CalibratedModel(scorer, head.calibration)
        self._columns = np.array([names.index(name) for name in head.features], dtype=np.intp)

    def margin(self, features: Matrix) -> Vector:
        """What the calibration is applied to, shape (n,), float64."""
        return self.scorer.margin(features[:, self._columns])

    def calibrated_by(self, calibration: Calibration) -> "Fallback":
        """Return the same trees under another calibration."""
        return Fallback(self.scorer, msgspec.structs.replace(self.head, calibration=calibration), self._names)

    def log_odds(self, features: Matrix) -> Vector:
        """Calibrated log-odds of fraud, shape (n,), float64."""
        return self._model.log_odds(features[:, self._columns])

    def score(self, features: Matrix) -> Vector:
        """Calibrated probability of fraud, shape (n,), float64."""
        return self._model.score(features[:, self._columns])

    def explain(self, features: Matrix) -> Explanation:
        """TreeSHAP attributions that add up to the served log-odds; 0 for the columns that it does not look at."""
        own = self._model.explain(features[:, self._columns])
        attributions = np.zeros(features.shape)
        attributions[:, self._columns] = own.attributions
        return Explanation(own.base, attributions, own.log_odds)


def fallback_from_bytes(trees: bytes, head: bytes, source: str, names: Sequence[str]) -> Fallback:
    """Parse the two files of a bundle with feature ``names``; raise `BundleError` naming ``source`` if one is wrong."""
    remedy = "Restore the file from a backup or train again."
    try:
        parsed = msgspec.json.decode(head, type=FallbackHead)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BundleError(f"{source}/{FILE_NAME} cannot be read: {error}.", remedy=remedy) from error
    unknown = [name for name in parsed.features if name not in names]
    scorer = lightgbm_scorer.from_bytes(trees, f"{source}/{TREES_FILE}")
    if unknown or scorer.width != len(parsed.features):
        raise BundleError(
            f"{source}/{FILE_NAME} names {len(parsed.features)} features for trees of {scorer.width}; "
            f"unknown to the bundle: {unknown[:5]}.",
            remedy=remedy,
        )
    return Fallback(scorer, parsed, names)

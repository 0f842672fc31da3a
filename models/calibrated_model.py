"""A scorer with its calibration: the log-odds, probabilities and explanations that are served."""

from dataclasses import dataclass

import numpy as np

from models.calibration import Calibration, probability
from models.scorer import Matrix, Scorer, Vector


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why rows scored as they did, in log-odds: ``base`` + ``attributions.sum(axis=1)`` == ``log_odds``.

    ``attributions`` has shape (n, f) in the order of the feature names, ``log_odds`` shape (n,); all float64.
    """

    base: float
    attributions: Vector
    log_odds: Vector


@dataclass(frozen=True, slots=True)
class CalibratedModel:
    """Scores feature matrices of shape (n, f), float32, NaN where a value is missing."""

    scorer: Scorer
    calibration: Calibration

    def log_odds(self, features: Matrix) -> Vector:
        """Calibrated log-odds, shape (n,), float64."""
        return self.calibration.log_odds(self.scorer.margin(features))

    def score(self, features: Matrix) -> Vector:
        """Calibrated probability of fraud, shape (n,), float64."""
        return probability(self.log_odds(features))

    def explain(self, features: Matrix) -> Explanation:
        """TreeSHAP attributions of the served log-odds."""
        contributions = self.scorer.contributions(features)
        margin = self.scorer.margin(features)
        base = float(contributions[0, -1]) if len(contributions) else 0.0
        factor = self.calibration.spread(margin, base)
        return Explanation(
            base=float(self.calibration.log_odds(np.array([base]))[0]),
            attributions=contributions[:, :-1] * factor[:, np.newaxis],
            log_odds=self.calibration.log_odds(margin),
        )

"""Class imbalance: ways to let the few frauds count for more while fitting, and the way back to natural log-odds.

Each treatment changes the share of fraud that the trees see, which shifts their margin by a known constant: the change
in log prior odds. That is taken off again (prior correction, King and Zeng 2001), so that margins are at the data's own
fraud rate whatever the treatment. Which is best is decided on the validation window; none is a candidate too.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from models.fitting import Fit, Sample

GENUINE_PER_FRAUD = 50  # kept by under-sampling


@dataclass(frozen=True, slots=True)
class Treatment:
    """Each fraud counts ``fraud_weight`` times; a share ``genuine_kept`` of genuine payments is fitted on."""

    name: str
    fraud_weight: float = 1.0
    genuine_kept: float = 1.0

    @property
    def shift(self) -> float:
        """What to add to margins fitted under this treatment to have them at the natural fraud rate."""
        return math.log(self.genuine_kept) - math.log(self.fraud_weight)


NATURAL = Treatment("natural")


def treatments(train: Sample) -> dict[str, Treatment]:
    """Return the candidates for a training window by name, the natural balance first."""
    frauds = int(np.count_nonzero(train.is_fraud))
    genuine = len(train.is_fraud) - frauds
    found = (
        NATURAL,
        # The square root: the full ratio drowns the ranking within the frauds in noise.
        Treatment("weighted", fraud_weight=max(1.0, math.sqrt(genuine / frauds))),
        Treatment("undersampled", genuine_kept=min(1.0, GENUINE_PER_FRAUD * frauds / genuine)),
    )
    return {one.name: one for one in found}


def treated(train: Sample, treatment: Treatment, seed: int) -> Sample:
    """Return the sample to fit on; the natural one is returned as it is."""
    sample = train
    if treatment.genuine_kept < 1:
        drawn = np.random.default_rng(seed).random(len(train.is_fraud)) < treatment.genuine_kept
        rows = np.flatnonzero(drawn | train.is_fraud)
        weights = None if train.weights is None else train.weights[rows]
        sample = Sample(train.features[rows], train.is_fraud[rows], weights)
    if treatment.fraud_weight != 1:
        weights = np.where(sample.is_fraud, treatment.fraud_weight, 1.0)
        sample = replace(sample, weights=weights if sample.weights is None else weights * sample.weights)
    return sample


def corrected(fit: Fit, treatment: Treatment) -> Fit:
    """Return the fit with its margins back at the natural fraud rate."""
    return replace(fit, scorer=fit.scorer.shifted(treatment.shift)) if treatment.shift else fit

"""Which features matter: the mean strength of their attributions, and the direction in which they push."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.catalogue import FEATURES
from features.feature import SPOKEN_ENTITY
from models.calibrated_model import Explanation
from models.rings.column import MEANING, RING_SCORE
from models.scorer import Matrix

Direction = Literal["higher raises the score", "higher lowers the score", "depends on the rest", "a code, no order"]
CLEAR = 0.3  # rank correlation of value and attribution from which on a direction is named
TOP = 20
CODES = frozenset({"mcc", "channel", "entry_mode"})  # numbers that stand for names
_BY_NAME = {feature.name: feature for feature in FEATURES}


class Explainer(Protocol):
    """Whatever explains like a bundle."""

    def explain(self, features: Matrix) -> Explanation:
        """TreeSHAP attributions of the served log-odds."""


@dataclass(frozen=True, slots=True)
class Importance:
    """One feature: ``strength`` is its mean |attribution| in log-odds, ``share`` its part of all features' strength."""

    name: str
    meaning: str
    strength: float
    share: float
    direction: Direction


def importances(model: Explainer, features: Matrix, names: Sequence[str], top: int = TOP) -> list[Importance]:
    """Return the ``top`` strongest of the features (n, f), columns named by ``names``, over these rows."""
    attributions = model.explain(features).attributions
    strength = np.abs(attributions).mean(axis=0)
    total = float(strength.sum()) or 1.0
    return [
        Importance(
            name=names[index],
            meaning=_meaning(names[index]),
            strength=float(strength[index]),
            share=float(strength[index]) / total,
            direction="a code, no order"
            if names[index] in CODES
            else _direction(features[:, index], attributions[:, index]),
        )
        for index in np.argsort(-strength, kind="stable")[:top]
        if strength[index] > 0
    ]


def _meaning(name: str) -> str:
    """Return the catalogue's line, with the entity that it speaks of."""
    feature = _BY_NAME.get(name)
    if name == RING_SCORE:
        return MEANING
    if feature is None:
        return name.replace("_", " ")
    if feature.entity == "request" or SPOKEN_ENTITY[feature.entity] in feature.meaning:
        return feature.meaning
    return f"{feature.meaning[:-1]}, of this {SPOKEN_ENTITY[feature.entity]}."


def _direction(values: NDArray[np.float32], attributions: NDArray[np.float64]) -> Direction:
    given = ~np.isnan(values)
    if len(np.unique(values[given])) < 2 or len(np.unique(attributions[given])) < 2:
        return "depends on the rest"
    # Spearman's rank correlation: a feature may push hard over a small part of its range only.
    correlation = float(np.corrcoef(pd.Series(values[given]).rank(), pd.Series(attributions[given]).rank())[0, 1])
    if abs(correlation) < CLEAR:
        return "depends on the rest"
    return "higher raises the score" if correlation > 0 else "higher lowers the score"

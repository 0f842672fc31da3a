"""Every feature, in the order of the feature matrix's columns. A model bundle stores ``NAMES`` and refuses others."""

from features.catalogue_formulas import FORMULAS
from features.catalogue_history import HISTORY
from features.catalogue_labels import OUTCOMES
from features.catalogue_request import REQUEST
from features.catalogue_windows import WINDOW_FEATURES
from features.feature import Feature

__all__ = ["FEATURES", "NAMES", "Feature", "column"]

FEATURES: tuple[Feature, ...] = (
    *REQUEST,
    *WINDOW_FEATURES,
    *HISTORY,
    *OUTCOMES,
    *(each.feature for each in FORMULAS),
)
NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
_COLUMNS = {name: index for index, name in enumerate(NAMES)}


def column(name: str) -> int:
    """Return the column of a feature; KeyError where the catalogue has none of that name."""
    return _COLUMNS[name]

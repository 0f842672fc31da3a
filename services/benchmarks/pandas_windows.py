"""The window features as pandas computes them: a yardstick for the fold's speed, and a check of its values."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.catalogue import NAMES, column
from features.catalogue_request import SMALL_AMOUNT
from features.catalogue_windows import STATISTICS, WINDOWS
from features.progress import Progress
from features.state_layout import ENTITY_CODES, EVENT_LIMIT
from features.store import ENTITIES, Entity
from features.table import KEY_COLUMNS

# What is counted without repetition, and the column it is in.
DISTINCT = {
    "distinct_merchants": "merchant_id",
    "distinct_countries": "country",
    "distinct_devices": "device_id",
    "distinct_cards": "card_id",
}
STATISTICS_OF: dict[tuple[Entity, str], tuple[str, ...]] = {
    (entity, window): found
    for entity in ENTITIES
    for window in WINDOWS
    if (found := tuple(n for n in (*STATISTICS, "small_count", *DISTINCT) if f"{entity}_{n}_{window}" in NAMES))
}
WINDOW_NAMES = tuple(
    f"{entity}_{statistic}_{window}" for (entity, window), found in STATISTICS_OF.items() for statistic in found
)
RELATIVE = 1e-5
ABSOLUTE = 1e-4  # of amounts, in major units: a deviation of 0 comes out of pandas as a small remainder
Matrix = NDArray[np.float64]


def pandas_windows(table: pd.DataFrame, *, progress: Progress | None = None) -> Matrix:
    """Compute `WINDOW_NAMES` of a canonical table: (rows, features), NaN where the entity is missing.

    A window is (T - window, T), so that the transaction itself is left out. Unlike in the fold, earlier transactions of
    the same time T are left out with it: pandas has no window that ends just before a row.
    """
    out = np.full((len(table), len(WINDOW_NAMES)), np.nan)
    names = iter(range(len(WINDOW_NAMES)))
    numbers = table[["event_time", "amount"]].assign(
        small_count=(table["amount"] <= SMALL_AMOUNT).astype(float),
        **{name: pd.factorize(table[source])[0].astype(float) for name, source in DISTINCT.items()},
    )
    for done, ((entity, window), statistics) in enumerate(STATISTICS_OF.items(), start=1):
        codes = pd.factorize(table[KEY_COLUMNS[entity]])[0]
        known = np.flatnonzero(codes >= 0)
        places = known[np.argsort(codes[known], kind="stable")]  # the order of what groupby returns
        rows = numbers.iloc[known].groupby(codes[known])
        rolling = rows.rolling(pd.Timedelta(window), on="event_time", closed="neither", min_periods=0)
        for statistic in statistics:
            at = next(names)
            if len(known):
                out[places, at] = _rolled(rolling, statistic).to_numpy()
        if progress is not None:
            progress(done, len(STATISTICS_OF))
    return out


def _rolled(rolling: Any, statistic: str) -> Any:
    """Return one statistic of the groups' windows, a series."""
    if statistic == "small_count":
        return rolling[statistic].sum()
    if statistic in DISTINCT:
        return rolling[statistic].apply(_distinct, raw=True)
    return rolling["amount"].std(ddof=0) if statistic == "std" else getattr(rolling["amount"], statistic)()


def _distinct(codes: Matrix) -> int:
    """Count different codes; -1 is missing and counts as none."""
    return len(np.unique(codes[codes >= 0.0]))


def agreement(table: pd.DataFrame, windows: Matrix, features: NDArray[np.float32]) -> float:
    """Return the share of `pandas_windows` values of ``table`` that equal the fold's ``features`` of the same rows.

    Compared is what both define alike and the fold promises to be exact: no earlier transaction of the entity at the
    same time, and no more in the window than its state remembers one by one. NaN where there is nothing to compare.
    """
    columns = {name: at for at, name in enumerate(WINDOW_NAMES)}
    agreeing = compared = 0
    alone = {entity: ~table.duplicated([key, "event_time"]).to_numpy() for entity, key in KEY_COLUMNS.items()}
    for (entity, window), statistics in STATISTICS_OF.items():
        remembered = windows[:, columns[f"{entity}_count_{window}"]] <= EVENT_LIMIT[ENTITY_CODES[entity]]
        exact = alone[entity] & remembered
        for statistic in statistics:
            name = f"{entity}_{statistic}_{window}"
            expected, found = windows[exact, columns[name]], features[exact, column(name)]
            compared += expected.size
            agreeing += int(np.isclose(found, expected, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True).sum())
    return agreeing / compared if compared else float("nan")

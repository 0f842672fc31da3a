"""Time splits that respect label delay: train | validation | calibration | test, each later than the one before.

Everything used to build a model at the moment ``as_of`` is labelled by then. The youngest rows are left out even
where some of them are labelled: confirmed frauds come back sooner or later than genuine payments are cleared, so a
half-labelled tail has the wrong fraud rate (the immature tail).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import DataError

Rows = NDArray[np.intp]
MATURITY_QUANTILE = 0.95
SHARES = (0.70, 0.15, 0.15)  # train, validation, calibration, of the mature rows before the test window
TEST_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open stretch of event time, UTC, with its rows (positions in the table) and number of frauds."""

    name: str
    start: pd.Timestamp
    end: pd.Timestamp
    rows: Rows
    frauds: int


@dataclass(frozen=True, slots=True)
class TimeSplit:
    """The windows of one training. ``test`` is None when no labelled rows are left for it."""

    as_of: pd.Timestamp
    label_delay: pd.Timedelta
    train: Window
    validation: Window
    calibration: Window
    test: Window | None

    @property
    def windows(self) -> tuple[Window, ...]:
        """All windows there are, in order of time."""
        past = (self.train, self.validation, self.calibration)
        return past if self.test is None else (*past, self.test)

    @property
    def fitted(self) -> Rows:
        """Rows that a model was fitted on or chosen by: train and validation."""
        return np.concatenate([self.train.rows, self.validation.rows])

    @property
    def held_out(self) -> Rows:
        """Rows later than those that the trees were fitted on, to calibrate by: validation and calibration."""
        return np.concatenate([self.validation.rows, self.calibration.rows])


def time_split(table: pd.DataFrame, *, as_of: pd.Timestamp | None = None) -> TimeSplit:
    """Split a canonical table (`features.table`) for a model trained at ``as_of`` (UTC).

    With ``as_of``, what happened from then on and is labelled in the table is the test window. Without it, training
    takes place at the last event and the newest `TEST_SHARE` of mature rows is the test window.
    Raises `DataError` when there is no fraud, no label known in time, or a window without both classes.
    """
    events, labelled = table["event_time"], table["is_fraud"].notna() & table["label_time"].notna()
    frauds = table["is_fraud"].fillna(0).to_numpy(dtype=bool)
    if not labelled.any():
        raise DataError("No row has a label.", remedy="Map the label column and the label delay, then train again.")
    if not frauds[labelled].any():
        raise DataError("The labels contain no fraud.", remedy="Give a longer history, or check the label mapping.")
    moment = events.iloc[-1] if as_of is None else as_of
    known = labelled & (table["label_time"] <= moment)
    if not known.any():
        raise DataError(
            f"Every label is later than the moment of training ({moment}); the first is known at "
            f"{table['label_time'].min()}.",
            remedy="Train at a later moment, or check the label delay in the mapping.",
        )
    delay = label_delay(table[known])
    mature = np.flatnonzero(known & (events <= moment - delay))
    later = np.flatnonzero(labelled & (events > moment))
    if as_of is None:
        cut = int(len(mature) * (1 - TEST_SHARE))
        mature, later = mature[:cut], mature[cut:]
    past = _cut(mature, SHARES)
    names = ("train", "validation", "calibration")
    train, validation, calibration = (_window(n, r, events, frauds) for n, r in zip(names, past, strict=True))
    has_test = 0 < frauds[later].sum() < len(later)
    test = _window("test", later, events, frauds) if has_test else None
    return TimeSplit(moment, delay, train, validation, calibration, test)


def mature_rows(table: pd.DataFrame, since: pd.Timestamp) -> Rows:
    """Return the labelled rows from ``since`` on (UTC) that are mature at the table's last event, in order.

    Raises `DataError` when there are none.
    """
    moment = table["event_time"].iloc[-1]
    known = (table["is_fraud"].notna() & (table["label_time"] <= moment)).to_numpy()
    rows = np.flatnonzero(known & (table["event_time"] >= since))
    if len(rows):
        rows = rows[(table["event_time"].iloc[rows] <= moment - label_delay(table[known])).to_numpy()]
    if not len(rows):
        raise DataError(
            f"No labelled row from {since} on is mature by {moment}, the last event.",
            remedy="Give later data, so that labels have had time to arrive, or an earlier --since.",
        )
    return rows


def label_delay(labelled: pd.DataFrame) -> pd.Timedelta:
    """How long it takes until all but a few of the labels are known: the larger of the two classes' 95 % quantiles."""
    delays = labelled["label_time"] - labelled["event_time"]
    return pd.Timedelta(delays.groupby(labelled["is_fraud"]).quantile(MATURITY_QUANTILE).max())


def _cut(rows: Rows, shares: tuple[float, ...]) -> list[Rows]:
    bounds = (np.cumsum(shares)[:-1] * len(rows)).round().astype(int)
    return list(np.split(rows, bounds))


def _window(name: str, rows: Rows, events: pd.Series, frauds: NDArray[np.bool_]) -> Window:
    count = int(frauds[rows].sum())
    if count == 0 or count == len(rows):
        raise DataError(
            f"The {name} window has {len(rows)} mature labelled rows of which {count} are fraud: "
            "both classes are needed.",
            remedy="Give a longer history, or train at a later moment so that more labels are known.",
        )
    # An end just after the last event keeps the window half-open.
    end = events.iloc[rows[-1]] + pd.Timedelta(1, "us")
    return Window(name, events.iloc[rows[0]], end, rows, count)

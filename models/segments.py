"""Segments of payments: the groups that a better average must not be bought from."""

from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

AMOUNT_BANDS = (10, 50, 200, 1000)  # major units of the payment's own currency
AMOUNT_NAMES = (
    f"under {AMOUNT_BANDS[0]}",
    *(f"{low} to {high}" for low, high in pairwise(AMOUNT_BANDS)),
    f"{AMOUNT_BANDS[-1]} or more",
)
OPTIONAL = ("channel", "country", "merchant category")  # dimensions that data may lack
NEW_CARD = pd.Timedelta(days=7)

# First code of each range of merchant category codes (ISO 18245) and what it holds.
MCC_GROUPS = (
    (0, "agriculture and contractors"),
    (3000, "airlines, car rental, hotels"),
    (4000, "transport"),
    (4800, "telecom and utilities"),
    (5000, "retail"),
    (5600, "clothing"),
    (5700, "shops"),
    (6000, "money and insurance"),
    (7000, "lodging and services"),
    (7800, "leisure"),
    (8000, "professional services"),
    (9000, "government"),
)


def segments(table: pd.DataFrame, first_seen: pd.Series) -> dict[str, NDArray[np.str_]]:
    """Name each row's segment, by dimension; "" where the row has no value. Dimensions that the data lack are absent.

    ``table`` is canonical (`features.table`); ``first_seen`` the time of each row's card's first transaction, with
    the same index.
    """
    new = (table["event_time"] - first_seen < NEW_CARD).to_numpy()
    found = {
        "amount": np.array(AMOUNT_NAMES)[np.searchsorted(AMOUNT_BANDS, table["amount"].to_numpy(), side="right")],
        "card": np.where(new, "first seen within 7 days", "known for longer"),
        "channel": _text(table["channel"]),
        "country": _text(table["country"]),
        "merchant category": _mcc_group(table["mcc"]),
    }
    return {name: labels for name, labels in found.items() if (labels != "").any()}


def first_seen(table: pd.DataFrame) -> pd.Series:
    """Return the time of the first transaction in the table of each row's card."""
    times: pd.Series = table["event_time"].groupby(table["card_id"].astype(str)).transform("min")
    return times


def _text(column: pd.Series) -> NDArray[np.str_]:
    values = column.astype(object)
    return values.where(values.notna(), "").to_numpy().astype(str)


def _mcc_group(column: pd.Series) -> NDArray[np.str_]:
    codes = pd.to_numeric(column.astype(object), errors="coerce").to_numpy(dtype=float)
    starts = np.array([start for start, _ in MCC_GROUPS])
    names = np.array([name for _, name in MCC_GROUPS])
    known = np.isfinite(codes) & (codes >= 0)
    return np.where(known, names[np.searchsorted(starts, np.where(known, codes, 0), side="right") - 1], "")

"""Features of the request itself."""

import math

import numpy as np

from features.catalogue import column
from features.catalogue_request import FIRST_WEEKEND_DAY, JUST_UNDER, NIGHT_UNTIL_HOUR, SMALL_AMOUNT, THRESHOLDS
from features.kernel_jit import jit
from features.kernel_tiles import Words
from features.kernel_windows import Reals
from features.state_layout import DAY_US, HOUR_US, I_CHANNEL, I_ENTRY_MODE, I_MCC, I_TIME, R_AMOUNT

_AMOUNT, _AMOUNT_LOG = column("amount"), column("amount_log")
_HOUR_SIN, _HOUR_COS = column("hour_sin"), column("hour_cos")
_WEEKDAY_SIN, _WEEKDAY_COS = column("weekday_sin"), column("weekday_cos")
_IS_NIGHT, _IS_WEEKEND = column("is_night"), column("is_weekend")
_MCC, _CHANNEL, _ENTRY_MODE = column("mcc"), column("channel"), column("entry_mode")
_ROUNDNESS, _JUST_UNDER, _SMALL = column("amount_roundness"), column("amount_just_under"), column("amount_small")
_MONDAY_US = 3 * DAY_US  # 1970-01-01 was a Thursday


@jit
def is_just_under(amount: float) -> bool:
    """Whether an amount is less than a common limit by at most `JUST_UNDER` of it."""
    under = False
    for threshold in THRESHOLDS:
        under |= threshold * (1.0 - JUST_UNDER) <= amount < threshold
    return under


@jit
def roundness(amount: float) -> float:
    """3 for a multiple of 100, 2 of 10, 1 for a whole amount, else 0."""
    if amount % 100.0 == 0.0:
        return 3.0
    if amount % 10.0 == 0.0:
        return 2.0
    return 1.0 if amount % 1.0 == 0.0 else 0.0


@jit
def code_or_missing(code: int) -> float:
    """Undo the shift by one that makes room for 0, missing."""
    return float(code - 1) if code > 0 else np.nan


@jit
def read_request(integers: Words, reals: Reals, row: Reals) -> None:
    """Fill the columns that need no state."""
    amount, time = reals[R_AMOUNT], integers[I_TIME]
    row[_AMOUNT] = amount
    row[_AMOUNT_LOG] = math.log1p(amount)
    of_day = 2.0 * math.pi * (time % DAY_US) / DAY_US
    of_week = 2.0 * math.pi * ((time + _MONDAY_US) % (7 * DAY_US)) / (7 * DAY_US)
    row[_HOUR_SIN], row[_HOUR_COS] = math.sin(of_day), math.cos(of_day)
    row[_WEEKDAY_SIN], row[_WEEKDAY_COS] = math.sin(of_week), math.cos(of_week)
    row[_IS_NIGHT] = 1.0 if (time % DAY_US) // HOUR_US <= NIGHT_UNTIL_HOUR else 0.0
    row[_IS_WEEKEND] = 1.0 if ((time + _MONDAY_US) // DAY_US) % 7 >= FIRST_WEEKEND_DAY else 0.0
    row[_MCC] = code_or_missing(integers[I_MCC])
    row[_CHANNEL] = code_or_missing(integers[I_CHANNEL])
    row[_ENTRY_MODE] = code_or_missing(integers[I_ENTRY_MODE])
    row[_ROUNDNESS] = roundness(amount)
    row[_JUST_UNDER] = 1.0 if is_just_under(amount) else 0.0
    row[_SMALL] = 1.0 if amount <= SMALL_AMOUNT else 0.0

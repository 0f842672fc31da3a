"""Compares the transaction with the card's own remembered transactions."""

import math

import numpy as np

from features.catalogue import column
from features.kernel_jit import jit
from features.kernel_median import median
from features.kernel_request import is_just_under
from features.kernel_tiles import Words, real
from features.kernel_windows import Reals
from features.state_layout import (
    COUNTRY_MASK,
    COUNTRY_SHIFT,
    CURRENCY_MASK,
    CURRENCY_SHIFT,
    DAY_US,
    DEVICE_SHIFT,
    E_AMOUNT,
    E_CODES,
    E_OTHERS,
    E_TIME,
    HASH_MASK,
    HOUR_US,
    I_COUNTRY,
    I_CURRENCY,
    I_DEVICE,
    I_MCC,
    I_MERCHANT,
    I_TIME,
    MCC_MASK,
    MCC_SHIFT,
    MERCHANT_SHIFT,
)

_HISTORY_COUNT = column("card_history_count")
_TO_MEAN, _TO_MEDIAN = column("amount_to_card_mean"), column("amount_to_card_median")
_TO_MAX, _TO_LAST = column("amount_to_card_max"), column("amount_to_card_last")
_ZSCORE, _ROBUST_ZSCORE = column("card_amount_zscore"), column("card_amount_robust_zscore")
_RANK = column("card_amount_rank")
_NEW_MERCHANT, _NEW_COUNTRY, _NEW_MCC = column("card_new_merchant"), column("card_new_country"), column("card_new_mcc")
_NEW_DEVICE, _NEW_CURRENCY = column("card_new_device"), column("card_new_currency")
_MERCHANT_COUNT = column("card_merchant_count")
_SAME_AMOUNT, _JUST_UNDER = column("card_same_amount_count_7d"), column("card_just_under_count_24h")
_HOUR_DISTANCE, _HOUR_SHARE = column("card_hour_distance"), column("card_hour_share")
_VELOCITY_1H, _VELOCITY_24H = column("card_velocity_1h"), column("card_velocity_24h")
_COUNT_1H, _COUNT_24H = column("card_count_1h"), column("card_count_24h")

_MAD_SCALE = 1.4826  # makes the median absolute deviation of a normal distribution its standard deviation
_LEAST_SPREAD = 0.05  # deviations count as at least this share of the centre, so that constant amounts divide by > 0
_NEAR_HOURS = 2
_STEP_US = 5 * 60 * 1_000_000
_ANGLES = 2.0 * math.pi * (np.arange(DAY_US // _STEP_US) + 0.5) / (DAY_US // _STEP_US)
_SINES = np.array([math.sin(angle) for angle in _ANGLES])
_COSINES = np.array([math.cos(angle) for angle in _ANGLES])


@jit
def known(code: int, matches: int) -> float:
    """1 if the code was never seen, 0 if it was, missing if the request has none."""
    if code == 0:
        return np.nan
    return 0.0 if matches else 1.0


@jit
def ratio(value: float, base: float) -> float:
    """``value`` / ``base``; missing where the base is 0: a card that only ever verified its account."""
    return value / base if base != 0.0 else np.nan


@jit
def read_amounts(words: Words, events: tuple[int, int, int], amount: float, scratch: Reals, row: Reals) -> None:
    """Fill the comparisons of the amount with the remembered amounts, of which there is at least one."""
    begin, end, width = events
    last = real(words, end - width + E_AMOUNT)
    count = (end - begin) // width
    offsets, squares, largest, below = 0.0, 0.0, 0.0, 0.0
    for number in range(count):
        value = real(words, begin + number * width + E_AMOUNT)
        scratch[number] = value
        offsets += value - last
        squares += (value - last) * (value - last)
        largest = max(largest, value)
        below += 1.0 if value < amount else (0.5 if value == amount else 0.0)
    mean = last + offsets / count
    row[_TO_MEAN] = ratio(amount, mean)
    row[_TO_MAX] = ratio(amount, largest)
    row[_TO_LAST] = ratio(amount, last)
    row[_RANK] = below / count
    middle = median(scratch, count)
    row[_TO_MEDIAN] = ratio(amount, middle)
    if count > 1:
        deviation = math.sqrt(max((squares - offsets * offsets / count) / count, 0.0))
        row[_ZSCORE] = ratio(amount - mean, max(deviation, _LEAST_SPREAD * mean))
        for at in range(count):
            scratch[at] = abs(scratch[at] - middle)
        spread = _MAD_SCALE * median(scratch, count)
        row[_ROBUST_ZSCORE] = ratio(amount - middle, max(spread, _LEAST_SPREAD * middle))


@jit
def read_habits(words: Words, events: tuple[int, int, int], integers: Words, amount: float, row: Reals) -> None:
    """Fill what the remembered transactions say of merchant, place, device, currency and time of day."""
    begin, end, width = events
    time = integers[I_TIME]
    merchants = countries = mccs = devices = currencies = same = under = near = 0
    sine = cosine = 0.0
    for at in range(begin, end, width):
        others, codes, when = words[at + E_OTHERS], words[at + E_CODES], words[at + E_TIME]
        merchants += (others >> MERCHANT_SHIFT) & HASH_MASK == integers[I_MERCHANT]
        devices += (others >> DEVICE_SHIFT) & HASH_MASK == integers[I_DEVICE]
        mccs += (codes >> MCC_SHIFT) & MCC_MASK == integers[I_MCC]
        countries += (codes >> COUNTRY_SHIFT) & COUNTRY_MASK == integers[I_COUNTRY]
        currencies += (codes >> CURRENCY_SHIFT) & CURRENCY_MASK == integers[I_CURRENCY]
        value = real(words, at + E_AMOUNT)
        same += when > time - 7 * DAY_US and value == amount
        under += when > time - DAY_US and is_just_under(value)
        apart = abs(when - time) % DAY_US
        near += min(apart, DAY_US - apart) <= _NEAR_HOURS * HOUR_US
        step = (when % DAY_US) // _STEP_US
        sine += _SINES[step]
        cosine += _COSINES[step]
    row[_NEW_MERCHANT] = known(integers[I_MERCHANT], merchants)
    row[_NEW_COUNTRY] = known(integers[I_COUNTRY], countries)
    row[_NEW_MCC] = known(integers[I_MCC], mccs)
    row[_NEW_DEVICE] = known(integers[I_DEVICE], devices)
    row[_NEW_CURRENCY] = known(integers[I_CURRENCY], currencies)
    row[_MERCHANT_COUNT] = merchants
    row[_SAME_AMOUNT] = same
    row[_JUST_UNDER] = under
    row[_HOUR_SHARE] = near / ((end - begin) // width)
    length = math.hypot(sine, cosine)
    if length > 1e-9:
        step = (time % DAY_US) // _STEP_US
        row[_HOUR_DISTANCE] = 1.0 - (sine * _SINES[step] + cosine * _COSINES[step]) / length


@jit
def read_history(
    words: Words, events: tuple[int, int, int], integers: Words, amount: float, scratch: Reals, row: Reals
) -> None:
    """Fill the card's history columns. ``row`` holds NaN and the card's window counts already."""
    begin, end, width = events
    count = (end - begin) // width
    row[_HISTORY_COUNT] = count
    row[_MERCHANT_COUNT] = row[_SAME_AMOUNT] = row[_JUST_UNDER] = 0.0
    row[_VELOCITY_1H] = row[_VELOCITY_24H] = 1.0
    if count == 0:
        return
    read_amounts(words, events, amount, scratch, row)
    read_habits(words, events, integers, amount, row)
    days = max((integers[I_TIME] - words[begin + E_TIME]) / DAY_US, 1.0)
    row[_VELOCITY_1H] = (1.0 + row[_COUNT_1H]) / (1.0 + count / (24.0 * days))
    row[_VELOCITY_24H] = (1.0 + row[_COUNT_24H]) / (1.0 + count / days)

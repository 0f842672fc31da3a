"""Vectorised reading of times in every form that a mapping can name, to UTC microseconds.

Reasons for rows that cannot be read: ``impossible_time`` (no time, before the year 2000 or after 2262), ``naive_time``
(no offset, and the field names no zone), ``ambiguous_time`` (exists twice, or not at all, in the field's zone).
"""

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # ships no types
from numpy.typing import NDArray

from features.datasets import convert
from features.datasets.mapping_schema import UNIX_UNITS, FieldMapping
from features.datasets.rejects import Mask
from features.errors import DataError
from features.validation import EARLIEST_EVENT_TIME

TYPE = pa.timestamp("us", tz="UTC")
_OFFSET = r"[0-9](Z|[+-][0-9]{2}:?[0-9]{2})\z"
_EARLIEST = int(EARLIEST_EVENT_TIME.timestamp()) * 1_000_000
_LATEST = pd.Timestamp.max.value // 1_000
_PER_UNIT = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}  # microseconds

Micros = NDArray[np.int64]


def time(array: pa.Array, name: str, field: FieldMapping) -> convert.Converted:
    """Return column ``name`` as timestamps (UTC, microseconds), null where it is missing or cannot be read.

    Raises `DataError` if the column holds times without a zone and the field names none.
    """
    bad: dict[str, Mask] = {}
    if field.format in UNIX_UNITS:
        numbers, bad = convert.number(array, name, FieldMapping())
        micros, readable = _micros(numbers, UNIX_UNITS[field.format])
        present = ~convert.mask(numbers.is_null())
    elif pa.types.is_timestamp(array.type) or pa.types.is_date(array.type):
        present = ~convert.mask(array.is_null())
        micros, readable = _typed(array, name, field, bad)
    else:
        strings, bad = convert.text(array, name)
        present = ~convert.mask(strings.is_null())
        micros, readable = _read_text(strings, field, bad)
    explained = np.logical_or.reduce([np.zeros(len(array), dtype=bool), *bad.values()])
    readable &= (micros >= _EARLIEST) & (micros <= _LATEST)
    bad["impossible_time"] = present & ~readable & ~explained
    return pa.array(micros, pa.int64(), mask=~(readable & present)).cast(TYPE), bad


def _typed(array: pa.Array, name: str, field: FieldMapping, bad: dict[str, Mask]) -> tuple[Micros, Mask]:
    """Read a column of timestamps or dates."""
    if pa.types.is_date(array.type):
        array = array.cast(pa.timestamp("ms"))
    aware = array.type.tz is not None
    if not aware and field.zone is None:
        raise DataError(
            f"The times of column {name!r} have no time zone.",
            remedy="Say in the mapping which one they are in, such as zone: UTC.",
        )
    micros, readable = _micros(array.cast(pa.int64()), _PER_UNIT[array.type.unit])
    return (micros, readable) if aware else _localised(micros, readable, field.zone or "UTC", bad)


def _micros(values: pa.Array, per_unit: float) -> tuple[Micros, Mask]:
    """Return numbers of some unit as microseconds, and which of them lie in range."""
    numbers = pc.fill_null(values, 0).to_numpy(zero_copy_only=False)
    readable: Mask = np.abs(numbers.astype(np.float64) * per_unit) <= _LATEST
    numbers = np.where(readable, numbers, 0)
    if np.issubdtype(numbers.dtype, np.integer):
        exact = numbers * int(per_unit) if per_unit >= 1 else numbers // round(1 / per_unit)
        return exact.astype(np.int64), readable
    return np.rint(numbers * per_unit).astype(np.int64), readable


def _read_text(strings: pa.Array, field: FieldMapping, bad: dict[str, Mask]) -> tuple[Micros, Mask]:
    if field.format == "iso":
        strings = pc.ascii_upper(strings)  # RFC 3339 allows t and z
    series = strings.to_pandas()
    if field.format != "iso" and "%z" in field.format:
        return _parsed(series, field.format, utc=True)
    if field.format != "iso":
        return _localised(*_parsed(series, field.format, utc=False), field.zone or "UTC", bad)
    aware = convert.mask(pc.match_substring_regex(strings, _OFFSET))
    micros, readable = _parsed(series.where(aware), "ISO8601", utc=True)
    if aware.all():
        return micros, readable
    naive, naive_readable = _parsed(series.mask(aware), "ISO8601", utc=False)
    if field.zone is None:
        bad["naive_time"] = naive_readable
        return micros, readable
    naive, naive_readable = _localised(naive, naive_readable, field.zone, bad)
    return np.where(naive_readable, naive, micros), readable | naive_readable


def _parsed(series: "pd.Series[str]", form: str, *, utc: bool) -> tuple[Micros, Mask]:
    try:
        parsed = pd.to_datetime(series, format=form, utc=utc, errors="coerce")
    except ValueError as exc:
        raise DataError(
            f"The time format {form!r} cannot be used: {exc}.", remedy="Correct it in the mapping."
        ) from exc
    readable = parsed.notna().to_numpy()
    nanos = parsed.to_numpy(dtype="datetime64[ns]").astype(np.int64)
    return np.where(readable, nanos // 1_000, 0), readable


def _localised(micros: Micros, readable: Mask, zone: str, bad: dict[str, Mask]) -> tuple[Micros, Mask]:
    """Take wall-clock times in ``zone`` to UTC; times that its clock changes make ambiguous are not read."""
    if zone == "UTC":
        return micros, readable
    wall = pd.DatetimeIndex(np.where(readable, micros, 0).astype("datetime64[us]"))
    utc = wall.tz_localize(zone, ambiguous="NaT", nonexistent="NaT").tz_convert("UTC")
    known = np.asarray(utc.notna())
    bad["ambiguous_time"] = readable & ~known
    return utc.as_unit("us").asi8, readable & known

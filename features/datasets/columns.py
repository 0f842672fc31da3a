"""Builds the canonical columns one by one, rejecting the rows that break a field's rule."""

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # ships no types

from features import table as canonical
from features.datasets import convert, times
from features.datasets.mapping_schema import NUMBERS, TIMES, FieldMapping
from features.datasets.rejects import Mask, Rejects
from features.datasets.source import Source
from features.reference import COUNTRIES, CURRENCIES, is_card_number
from features.transaction import MAX_AMOUNT, Channel, EntryMode

_IDENTIFIER = r"\A[!-~]{1,128}\z"
_PATTERNS = {"mcc": r"\A[0-9]{4}\z", "currency": r"\A[A-Z]{3}\z", "country": r"\A[A-Z]{2}\z"}
_CODES = {
    "currency": (CURRENCIES, "unknown_currency"),
    "country": (COUNTRIES, "unknown_country"),
    "channel": (get_args(Channel), "bad_format"),
    "entry_mode": (get_args(EntryMode), "bad_format"),
}
_RANGES = {"amount": (0.0, MAX_AMOUNT), "latitude": (-90.0, 90.0), "longitude": (-180.0, 180.0)}
_TYPES = {"event_time": times.TYPE, "label_time": times.TYPE, "is_fraud": pa.int8()} | dict.fromkeys(
    NUMBERS, pa.float64()
)
_DIGITS = r"\A[0-9][0-9 -]{11,}[0-9]\z"


class Columns:
    """The canonical table in the making: Arrow arrays by field, all as long as the file."""

    def __init__(self, source: Source, rejects: Rejects) -> None:
        self.source = source
        self.rejects = rejects
        self.arrays: dict[str, pa.Array] = {}
        self._length = len(source.rows)

    def add(self, name: str, field: FieldMapping) -> None:
        """Convert one field, unless its column is optional and absent."""
        if field.column is not None and field.column not in self.source.columns:
            return
        if name in TIMES:
            array = self.read_time(field)
        elif name in NUMBERS:
            array = self._number(name, field)
        else:
            array = self._text(name, field)
        if name in canonical.REQUIRED:
            self.reject(convert.mask(array.is_null()), field.column or name, "missing_field")
        self.arrays[name] = array

    def read_time(self, field: FieldMapping) -> pa.Array:
        """Return a column as timestamps, rejecting rows that cannot be read."""
        column = field.column or ""
        array, bad = times.time(self.raw(column), column, field)
        self._reject_all(bad, column)
        return array

    def read_number(self, name: str, field: FieldMapping) -> pa.Array:
        """Return a column as float64 in the field's unit, rejecting rows that cannot be read."""
        column = field.column or name
        raw = self.raw(column) if field.constant is None else pa.repeat(pa.scalar(field.constant), self._length)
        array, bad = convert.number(raw, column, field)
        self._reject_all(bad, column)
        return array

    def read_text(self, column: str) -> pa.Array:
        """Return a column as strings, rejecting rows that cannot be read."""
        array, bad = convert.text(self.raw(column), column)
        self._reject_all(bad, column)
        return array

    def raw(self, column: str) -> pa.Array:
        """Return a column as the file holds it."""
        return convert.flat(self.source.columns[column])

    def reject(self, bad: Mask, column: str, reason: str) -> None:
        """Reject rows for what stands in a column of the file."""
        self.rejects.add(bad, column, reason, self.show(column))

    def show(self, column: str) -> Callable[[int], str | None]:
        """Return a function that tells what a row holds in a column."""

        def value(index: int) -> str | None:
            raw = self.source.columns[column][index].as_py() if column in self.source.columns else None
            return (
                raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else None if raw is None else str(raw)
            )

        return value

    def table(self) -> pd.DataFrame:
        """Return the rows that were not rejected as the canonical table."""
        arrow = pa.table(self.arrays).filter(pa.array(self.rejects.good))
        micros = arrow.column("event_time").cast(pa.int64()).to_numpy()
        arrow = arrow.take(pa.array(np.argsort(micros, kind="stable")))
        names = [*canonical.COLUMNS, *({canonical.INCLUSION} & self.arrays.keys())]
        return pd.DataFrame({name: _series(name, arrow) for name in names}, copy=False)

    def _text(self, name: str, field: FieldMapping) -> pa.Array:
        if field.constant is not None:
            array = pa.repeat(pa.scalar(field.constant), self._length)
        else:
            array = self.read_text(field.column or "")
        if field.values:
            array = _translated(array, field.values)
        column = field.column or name
        if name == "card_id":  # before a prefix hides it
            self.reject(_card_numbers(array), column, "card_number")
        if field.prefix:
            array = pc.binary_join_element_wise(field.prefix, array, "")
        if name == "card_id" and field.prefix:
            self.reject(_card_numbers(array), column, "card_number")
        pattern = _PATTERNS.get(name, _IDENTIFIER if name not in _CODES else None)
        if pattern is not None:
            self.reject(convert.mask(pc.invert(pc.match_substring_regex(array, pattern))), column, "bad_format")
        if name in _CODES:
            codes, reason = _CODES[name]
            known = pc.is_in(array, pa.array(sorted(codes)))
            self.reject(convert.mask(pc.and_(array.is_valid(), pc.invert(known))), column, reason)
        return array

    def _number(self, name: str, field: FieldMapping) -> pa.Array:
        array = self.read_number(name, field)
        low, high = _RANGES[name]
        inside = pc.and_(pc.greater_equal(array, low), pc.less_equal(array, high))
        self.reject(convert.mask(pc.invert(inside)), field.column or name, "out_of_range")
        return array

    def _reject_all(self, bad: dict[str, Mask], column: str) -> None:
        for reason, rows in bad.items():
            self.reject(rows, column, reason)


def _translated(array: pa.Array, values: dict[str, str]) -> pa.Array:
    """Replace the values that a mapping names; a value mapped to nothing becomes missing."""
    coded = array.dictionary_encode()
    words = [values.get(word, word) or None for word in coded.dictionary.to_pylist()]
    return pa.array(words, pa.string()).take(coded.indices)


def _card_numbers(array: pa.Array) -> Mask:
    suspects = convert.mask(pc.match_substring_regex(array, _DIGITS))
    bad = np.zeros(len(array), dtype=bool)
    for index in np.flatnonzero(suspects).tolist():
        bad[index] = is_card_number(array[index].as_py())
    return bad


def _series(name: str, arrow: pa.Table) -> "pd.Series[Any]":
    """Return one canonical column in its dtype, all missing if the data set lacks it."""
    if name in arrow.column_names:
        array = convert.flat(arrow.column(name))
    else:
        array = pa.nulls(arrow.num_rows, _TYPES.get(name, pa.string()))
    series: pd.Series[Any]
    if name == "is_fraud":
        values = pc.fill_null(array, 0).to_numpy().astype(np.int8)
        series = pd.Series(pd.arrays.IntegerArray(values, convert.mask(array.is_null()).copy()))
    elif name in _TYPES or name == "transaction_id":
        series = array.to_pandas()
    else:
        series = array.dictionary_encode().to_pandas()
    return series

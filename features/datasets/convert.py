"""Vectorised conversions of a data set's columns to text and numbers, as Arrow arrays without chunks.

Each returns the array and the rows that could not be converted, by reason; those rows are null in the array. Reasons
are the codes of `features.codec.decode_transaction` where both know the problem.
"""

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # ships no types

from features.datasets.mapping_schema import FieldMapping
from features.datasets.rejects import Mask
from features.errors import DataError

Converted = tuple[pa.Array, dict[str, Mask]]
_NUMBER = r"\A[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\z"
_NOTHING = pa.scalar(None, pa.string())


def text(array: pa.Array, name: str) -> Converted:
    """Return column ``name`` as strings, empty ones as nulls; bytes that are not UTF-8 are ``not_utf8``."""
    kind = array.type
    bad: dict[str, Mask] = {}
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        array, bad = _decoded(array)
    elif pa.types.is_floating(kind):
        array = _whole_if_possible(array)
    elif pa.types.is_nested(kind):
        raise DataError(f"Column {name!r} has the type {kind}, which cannot be mapped.", remedy="Map a plain column.")
    array = array.cast(pa.string())
    return pc.if_else(pc.equal(array, ""), _NOTHING, array), bad


def number(array: pa.Array, name: str, field: FieldMapping) -> Converted:
    """Return column ``name`` as float64 in the field's unit, NaN as null; text that is no number is ``wrong_type``."""
    kind = array.type
    bad: dict[str, Mask] = {}
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        array, bad = text(array, name)
        bad["wrong_type"] = mask(pc.invert(pc.match_substring_regex(array, _NUMBER)))
        array = without(array, bad["wrong_type"])
        array = pc.replace_substring_regex(array, r"\A\+", "")
    values = array.cast(pa.float64(), safe=False)
    values = without(values, mask(pc.is_nan(values)))
    if field.divisor != 1:
        values = pc.divide(values, field.divisor)  # rounds correctly, where a factor such as 0.01 would not
    if field.factor != 1:
        values = pc.multiply(values, field.factor)
    return values, bad


def flat(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array, dictionaries resolved."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], column.type)
    return array.cast(array.type.value_type) if pa.types.is_dictionary(array.type) else array


def without(array: pa.Array, bad: Mask) -> pa.Array:
    """Return ``array`` with nulls where ``bad``."""
    return pc.if_else(pa.array(bad), pa.scalar(None, array.type), array) if bad.any() else array


def mask(array: pa.Array) -> Mask:
    """Return a boolean Arrow array as a NumPy mask; null is false."""
    result: Mask = pc.fill_null(array, False).to_numpy(zero_copy_only=False)
    return result


def _decoded(array: pa.Array) -> Converted:
    try:
        return array.cast(pa.string()), {}
    except pa.ArrowInvalid:
        values = [None if value is None else _utf8(value) for value in array.to_pylist()]
        bad = np.fromiter((value is _BAD for value in values), dtype=bool, count=len(values))
        return pa.array([None if value is _BAD else value for value in values], pa.string()), {"not_utf8": bad}


_BAD = object()


def _utf8(value: bytes) -> object:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return _BAD


def _whole_if_possible(array: pa.Array) -> pa.Array:
    """Return floats as integers if all are whole: pandas makes floats of an id column with gaps."""
    array = without(array, mask(pc.is_nan(array)))
    try:
        return array.cast(pa.int64())
    except pa.ArrowInvalid:
        return array

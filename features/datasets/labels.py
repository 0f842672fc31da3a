"""Adds the label columns: what was found to be fraud, when that became known, and how likely it was to be known."""

import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # ships no types

from features.datasets import convert, times
from features.datasets.columns import Columns
from features.datasets.mapping_schema import FieldMapping, LabelMapping
from features.errors import DataError
from features.table import INCLUSION


def add_labels(columns: Columns, label: LabelMapping) -> None:
    """Add ``is_fraud`` and ``label_time``, and ``inclusion_probability`` where it is mapped.

    A row without a label stays unlabelled. Rejects labels that are neither fraud nor honest (``unknown_label``), labels
    without the time they became known and the reverse (``missing_field``), labels from before their event
    (``label_before_event``), and labels whose inclusion probability is missing (``missing_field``) or not above 0 and
    at most 1 (``out_of_range``).
    """
    if label.column not in columns.source.columns:
        return
    written = pc.utf8_lower(columns.read_text(label.column))
    fraud = pc.is_in(written, pa.array(sorted(label.fraud)))
    known = pc.or_(fraud, pc.is_in(written, pa.array(sorted(label.honest), pa.string())))
    columns.reject(convert.mask(pc.and_(written.is_valid(), pc.invert(known))), label.column, "unknown_label")
    is_fraud = pc.if_else(written.is_valid(), fraud.cast(pa.int8()), pa.scalar(None, pa.int8()))
    columns.arrays["is_fraud"] = is_fraud
    if label.inclusion_probability is not None:
        _add_inclusion(columns, label.inclusion_probability, is_fraud)
    event_time = columns.arrays["event_time"]
    if label.delay is not None:
        micros = pc.add(event_time.cast(pa.int64()), round(label.delay.total_seconds() * 1_000_000))
        known_at = micros.cast(times.TYPE)
        columns.arrays["label_time"] = pc.if_else(is_fraud.is_valid(), known_at, pa.scalar(None, times.TYPE))
        return
    columns.arrays["label_time"] = _read_label_time(columns, label, is_fraud, event_time)


def _add_inclusion(columns: Columns, field: FieldMapping, is_fraud: pa.Array) -> None:
    column = field.column or ""
    if column not in columns.source.columns:
        raise DataError(
            f"There are labels, but no column {column!r} that says how likely each was to exist.",
            remedy="Name that column in the mapping, or leave inclusion_probability out.",
        )
    chance = columns.read_number(INCLUSION, field)
    inside = pc.and_(pc.greater(chance, 0.0), pc.less_equal(chance, 1.0))
    columns.reject(convert.mask(pc.and_(is_fraud.is_valid(), chance.is_null())), column, "missing_field")
    columns.reject(convert.mask(pc.and_(is_fraud.is_valid(), pc.invert(inside))), column, "out_of_range")
    columns.arrays[INCLUSION] = chance


def _read_label_time(columns: Columns, label: LabelMapping, is_fraud: pa.Array, event_time: pa.Array) -> pa.Array:
    column = label.time.column if label.time is not None else None
    if label.time is None or column is None or column not in columns.source.columns:
        raise DataError(
            f"There is a label column {label.column!r}, but no column {column!r} that says when labels became known.",
            remedy="Name that column in the mapping, or give a delay such as 7 days.",
        )
    label_time = columns.read_time(label.time)
    columns.reject(convert.mask(pc.and_(is_fraud.is_valid(), label_time.is_null())), column, "missing_field")
    columns.reject(convert.mask(pc.and_(is_fraud.is_null(), label_time.is_valid())), label.column, "missing_field")
    columns.reject(convert.mask(pc.less(label_time, event_time)), column, "label_before_event")
    return label_time

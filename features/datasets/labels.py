"""Adds the label columns: what was found to be fraud, and when that became known."""

import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # ships no types

from features.datasets import convert, times
from features.datasets.columns import Columns
from features.datasets.mapping_schema import LabelMapping
from features.errors import DataError


def add_labels(columns: Columns, label: LabelMapping) -> None:
    """Add ``is_fraud`` and ``label_time``; a row without a label stays unlabelled.

    Rejects labels that are neither fraud nor honest (``unknown_label``), labels without the time they became known and
    the reverse (``missing_field``), and labels from before their event (``label_before_event``).
    """
    if label.column not in columns.source.columns:
        return
    written = pc.utf8_lower(columns.read_text(label.column))
    fraud = pc.is_in(written, pa.array(sorted(label.fraud)))
    known = pc.or_(fraud, pc.is_in(written, pa.array(sorted(label.honest), pa.string())))
    columns.reject(convert.mask(pc.and_(written.is_valid(), pc.invert(known))), label.column, "unknown_label")
    is_fraud = pc.if_else(written.is_valid(), fraud.cast(pa.int8()), pa.scalar(None, pa.int8()))
    columns.arrays["is_fraud"] = is_fraud
    event_time = columns.arrays["event_time"]
    if label.delay is not None:
        micros = pc.add(event_time.cast(pa.int64()), round(label.delay.total_seconds() * 1_000_000))
        known_at = micros.cast(times.TYPE)
        columns.arrays["label_time"] = pc.if_else(is_fraud.is_valid(), known_at, pa.scalar(None, times.TYPE))
        return
    columns.arrays["label_time"] = _read_label_time(columns, label, is_fraud, event_time)


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

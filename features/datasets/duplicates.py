"""Keeps the first row of each transaction id."""

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # ships no types

from features.datasets.columns import Columns


def check_duplicates(columns: Columns, column: str) -> None:
    """Reject later rows of a transaction id seen before: ``duplicate`` if all is equal, else ``duplicate_conflict``.

    ``column`` is the file's column of the transaction id. Rows rejected before do not count as seen.
    """
    good = np.flatnonzero(columns.rejects.good)
    ids = columns.arrays["transaction_id"].take(pa.array(good))
    if pc.count_distinct(ids).as_py() == len(ids):
        return
    repeated = good[ids.to_pandas().duplicated(keep=False).to_numpy()]
    frame = pa.table(columns.arrays).take(pa.array(repeated)).to_pandas()
    first = frame.groupby("transaction_id", sort=False).ngroup()  # numbers ids in order of their first row
    firsts = frame.drop_duplicates("transaction_id").iloc[first.to_numpy()].reset_index(drop=True)
    equal = ((frame == firsts) | (frame.isna() & firsts.isna())).all(axis=1).to_numpy()
    later = frame["transaction_id"].duplicated().to_numpy()
    for reason, bad in (("duplicate", later & equal), ("duplicate_conflict", later & ~equal)):
        rows = np.zeros(len(columns.rejects.good), dtype=bool)
        rows[repeated[bad]] = True
        columns.reject(rows, column, reason)

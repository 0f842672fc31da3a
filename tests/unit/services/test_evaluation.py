from datetime import UTC, datetime

import pandas as pd
import pytest

from features.errors import DataError
from models.manifest import DataSummary
from services.evaluation import unseen_rows

DATA = DataSummary(
    start=datetime(2030, 1, 3, tzinfo=UTC),
    end=datetime(2030, 1, 6, tzinfo=UTC),
    as_of=datetime(2030, 1, 8, tzinfo=UTC),
    rows=3,
    frauds=1,
    sha256="0" * 64,
)


def days(count=10):
    """One transaction at midnight of each day from 1 January on; that of the ninth has no label."""
    return pd.DataFrame(
        {
            "event_time": pd.date_range("2030-01-01", periods=count, freq="D", tz="UTC"),
            "is_fraud": pd.array([0] * 8 + [None] + [1] * (count - 9), dtype="Int8"),
        }
    )


def test_later_labelled_rows_and_no_others():
    found = unseen_rows(days(), DATA)
    assert found.rows.tolist() == [5, 6, 7, 9]  # the first at the very end of the training data, which is open
    assert found.left_out == {"training_window": 3, "earlier": 2, "unlabelled": 1}


def test_since_moves_the_start_but_never_into_the_training_data():
    assert unseen_rows(days(), DATA, pd.Timestamp("2030-01-08", tz="UTC")).rows.tolist() == [7, 9]
    found = unseen_rows(days(), DATA, pd.Timestamp("2030-01-02", tz="UTC"))
    assert found.rows.tolist() == [1, 5, 6, 7, 9]
    assert found.left_out == {"training_window": 3, "earlier": 1, "unlabelled": 1}


def test_nothing_left_is_refused():
    with pytest.raises(DataError, match="None of the 10 transactions"):
        unseen_rows(days(), DATA, pd.Timestamp("2031-01-01", tz="UTC"))

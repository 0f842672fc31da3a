from itertools import pairwise

import pandas as pd
import pytest

from features.errors import DataError
from models.splits import label_delay, time_split


def windows(split):
    return [window for window in (split.train, split.validation, split.calibration, split.test) if window]


def test_windows_follow_each_other_and_share_nothing(data):
    split = time_split(data[0])
    parts = windows(split)
    assert [window.name for window in parts] == ["train", "validation", "calibration", "test"]
    for earlier, later in pairwise(parts):
        assert earlier.end <= later.start
        assert earlier.rows.max() < later.rows.min()


def test_labels_used_are_known_at_the_moment_of_training(data):
    table = data[0]
    moment = table["event_time"].iloc[2700]
    split = time_split(table, as_of=moment)
    for window in (split.train, split.validation, split.calibration):
        assert (table["label_time"].iloc[window.rows] <= moment).all()
        assert (table["event_time"].iloc[window.rows] <= moment - split.label_delay).all()
    assert (table["event_time"].iloc[split.test.rows] > moment).all()
    assert split.label_delay == pd.Timedelta(days=5)


def test_immature_tail_is_left_out_even_where_frauds_are_known_early(data):
    table = data[0].copy()
    fraud = table["is_fraud"] == 1
    table.loc[fraud, "label_time"] = table.loc[fraud, "event_time"] + pd.Timedelta(hours=1)
    split = time_split(table, as_of=table["event_time"].iloc[-1])
    assert label_delay(table) == pd.Timedelta(days=5)
    assert split.calibration.end <= table["event_time"].iloc[-1] - pd.Timedelta(days=5) + pd.Timedelta(1, "us")
    assert split.test is None


def test_unlabelled_rows_are_not_used(data):
    table = data[0].copy()
    table.loc[::3, "is_fraud"] = pd.NA
    for window in windows(time_split(table)):
        assert table["is_fraud"].iloc[window.rows].notna().all()


def broken(table, how):
    table = table.copy()
    if how == "no labels":
        table["is_fraud"] = pd.array([pd.NA] * len(table), dtype="Int8")
    elif how == "no fraud":
        table["is_fraud"] = pd.array([0] * len(table), dtype="Int8")
    elif how == "labels too late":
        table["label_time"] += pd.Timedelta(days=400)
    elif how == "fraud only at the start":
        table.loc[table.index > 500, "is_fraud"] = 0
    elif how == "only fraud":
        table["is_fraud"] = pd.array([1] * len(table), dtype="Int8")
    return table


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("no labels", "No row has a label"),
        ("no fraud", "contain no fraud"),
        ("labels too late", "later than the moment of training"),
        ("fraud only at the start", "validation window .* both classes"),
        ("only fraud", "train window .* both classes"),
    ],
)
def test_data_that_cannot_be_split_is_refused(data, how, message):
    with pytest.raises(DataError, match=message) as caught:
        time_split(broken(data[0], how))
    assert caught.value.remedy


def test_empty_table_is_refused(data):
    with pytest.raises(DataError, match="No row"):
        time_split(data[0].iloc[:0])

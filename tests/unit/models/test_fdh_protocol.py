import numpy as np
import pandas as pd
import pytest

from features.errors import DataError
from models.fdh_protocol import evaluate_fdh, handbook_split

START = pd.Timestamp("2030-01-01", tz="UTC")


def payments(rows):
    """Rows of (day, card, is_fraud), day 0 being the first of the training week."""
    table = pd.DataFrame(rows, columns=["day", "card_id", "is_fraud"])
    table["event_time"] = START + pd.to_timedelta(table["day"], unit="D") + pd.Timedelta(hours=12)
    table["is_fraud"] = table["is_fraud"].astype("Int8")
    return table.sort_values("event_time", ignore_index=True)


def test_windows_and_known_compromised_cards():
    table = payments(
        [
            (-1, "before", 1),  # known long before, but the protocol only looks at the training week and later
            (0, "trained", 1),
            (6, "last", 0),
            (7, "delayed", 1),  # becomes known on day 15 (the day before test day - delay)
            (13, "late", 1),  # not known within the test
            (14, "before", 0),
            (14, "trained", 0),
            (14, "delayed", 0),
            (15, "delayed", 0),
            (20, "late", 0),
            (20, "last", 0),
            (21, "after", 0),
        ]
    )
    split = handbook_split(table, START)
    assert [table["card_id"][row] for row in split.train] == ["trained", "last"]
    assert [(table["day"][row], table["card_id"][row]) for row in split.test] == [
        (14, "before"),
        (14, "delayed"),
        (20, "late"),
        (20, "last"),
    ]


def test_too_short_or_unlabelled_data_is_refused():
    with pytest.raises(DataError, match="for 21 days"):
        handbook_split(payments([(0, "a", 0), (19, "b", 0)]), START)
    table = payments([(0, "a", 0), (3, "b", 1), (20, "c", 0)])
    table.loc[1, "is_fraud"] = pd.NA
    with pytest.raises(DataError, match="label on every transaction"):
        handbook_split(table, START)


def test_figures_come_from_the_test_week_alone(data, names):
    table, features = data
    start = pd.Timestamp("2030-01-20", tz="UTC")
    report = evaluate_fdh(table, features, names=names, start=start, seeds=1)
    split = handbook_split(table, start)
    assert (report["train_rows"], report["test_rows"]) == (len(split.train), len(split.test))
    assert report["auc"] > 0.8
    elsewhere = features.copy()
    others = np.setdiff1d(np.arange(len(table)), np.concatenate([split.train, split.test]))
    elsewhere[others] = 0
    assert evaluate_fdh(table, elsewhere, names=names, start=start, seeds=1) == report

import numpy as np
import pandas as pd
import pytest

from features.errors import DataError
from models import fdh_protocol
from models.fdh_protocol import evaluate_fdh, handbook_split, report_fdh

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


def test_all_history_ends_with_the_training_week(data, names):
    table, features = data
    start = pd.Timestamp("2030-01-20", tz="UTC")
    report = evaluate_fdh(table, features, names=names, start=start, all_history=True, seeds=1)
    until = (table["event_time"] < start + pd.Timedelta(days=7)) & table["is_fraud"].notna()
    assert report["train_rows"] == until.sum() > len(handbook_split(table, start).train)
    later = features.copy()
    later[~until.to_numpy()] = 0
    assert evaluate_fdh(table, later, names=names, start=start, all_history=True, seeds=1)["auc"] == 0.5


def test_the_report_names_each_training(data, names, monkeypatch):
    table, features = data
    week, other = (pd.Timestamp(day, tz="UTC") for day in ("2030-01-20", "2030-01-10"))
    monkeypatch.setattr(fdh_protocol, "VALIDATION_WEEKS", (other,))
    monkeypatch.setattr(evaluate_fdh, "__kwdefaults__", {**evaluate_fdh.__kwdefaults__, "start": week, "seeds": 1})
    shares = []
    report = report_fdh(table, features, names=names, progress=lambda name, share: shares.append((name, share)))
    alone = evaluate_fdh(table, features, names=names)
    assert {key: report[key] for key in alone} == alone
    assert report["validation"] == {"2030-01-10": evaluate_fdh(table, features, names=names, start=other)}
    assert report["all_history"]["train_rows"] > report["train_rows"]
    assert shares == [("the book's week", 0.0), ("2030-01-10", 1 / 3), ("all history", 2 / 3)]

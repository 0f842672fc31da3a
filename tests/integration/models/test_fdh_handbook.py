"""The Handbook's protocol on its own data; set FDH_DATA to the folder of its files."""

import os
from pathlib import Path

import pandas as pd
import pytest

from features.catalogue import NAMES
from features.datasets.mapping import load_mapping
from features.datasets.reader import read_table
from features.replay import replay
from models.fdh_protocol import evaluate_fdh, handbook_split

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture(scope="module")
def path():
    value = os.environ.get("FDH_DATA")
    if value is None and "CI" not in os.environ:
        pytest.skip("FDH_DATA does not name the folder of the Handbook's data")
    (path,) = Path(value or "FDH_DATA is not set").glob("transactions_*.parquet")
    return path


def test_split_has_the_books_rows_and_frauds(path):
    raw = pd.read_parquet(path, columns=["TX_DATETIME", "CUSTOMER_ID", "TX_FRAUD"])
    table = pd.DataFrame(
        {
            "event_time": raw["TX_DATETIME"].dt.tz_localize("UTC"),
            "card_id": raw["CUSTOMER_ID"],
            "is_fraud": raw["TX_FRAUD"].astype("Int8"),
        }
    )
    split = handbook_split(table)
    assert (len(split.train), table["is_fraud"].iloc[split.train].sum()) == (67_240, 598)
    assert (len(split.test), table["is_fraud"].iloc[split.test].sum()) == (58_264, 385)


@pytest.mark.timeout(900)
def test_better_than_the_book(path):
    """The book's best on this split: AUC .871, average precision .658, card precision@100 .291."""
    table = read_table(path, load_mapping("fdh")).table
    report = evaluate_fdh(table, replay(table).features, names=NAMES)
    assert (report["train_rows"], report["train_frauds"]) == (67_240, 598)
    assert (report["test_rows"], report["test_frauds"]) == (58_264, 385)
    assert report["auc"] >= 0.88
    assert report["average_precision"] > 0.72
    assert report["card_precision_at_100"] >= 0.295

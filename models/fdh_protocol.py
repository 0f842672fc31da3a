"""The Fraud Detection Handbook's chapter-3 protocol, so that figures compare with published ones.

Source: Le Borgne, Siblini, Lebichot, Bontempi, "Reproducible Machine Learning for Credit Card Fraud Detection" (ULB,
2022), chapter 3. Train on one week; wait a week for labels; test on the next, without the cards known to be
compromised by then: cards with a fraud in the training week, and cards with a fraud from then up to each test day minus
the delay. Features may look at all history before a transaction, with the labels known by then.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.catalogue import FEATURES
from features.errors import DataError
from models import metrics
from models.fitting import Sample, fit_lightgbm
from models.scorer import Matrix
from models.train import check_inputs

CHAPTER_3 = pd.Timestamp("2018-07-25", tz="UTC")
TRAIN_DAYS, DELAY_DAYS, TEST_DAYS = 7, 7, 7
TOP_CARDS = 100

# All that follows was chosen under the same protocol on earlier training weeks, those that begin in `VALIDATION_WEEKS`
# among them; their own test weeks end before the book's test week begins.
VALIDATION_WEEKS = tuple(pd.Timestamp(day, tz="UTC") for day in ("2018-06-27", "2018-07-11"))
# Some 600 frauds are few: small trees, many features left out of each, and several seeds averaged.
RECIPE = {
    "learning_rate": 0.03,
    "num_leaves": 16,
    "min_data_in_leaf": 10,
    "min_sum_hessian_in_leaf": 0.01,
    "lambda_l2": 3.0,
    "feature_fraction": 0.2,
    "bagging_fraction": 0.8,
    "max_bin": 255,
}
ROUNDS, SEEDS = 250, 5

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class HandbookSplit:
    """Row positions of the training and the test week; ``days`` is the day number of each row of the table."""

    train: Rows
    test: Rows
    days: NDArray[np.int64]


def handbook_split(table: pd.DataFrame, start: pd.Timestamp = CHAPTER_3) -> HandbookSplit:
    """Split a fully labelled canonical table for the training week that begins at ``start`` (midnight UTC)."""
    days = ((table["event_time"] - start) // pd.Timedelta(days=1)).to_numpy().astype(np.int64)
    last = TRAIN_DAYS + DELAY_DAYS + TEST_DAYS - 1
    if not len(days) or days.min() > 0 or days.max() < last:
        raise DataError(
            f"The Handbook protocol needs transactions from {start.date()} for {last + 1} days.",
            remedy="Give the Handbook's data set, or another start.",
        )
    if table["is_fraud"].iloc[np.flatnonzero((days >= 0) & (days <= last))].isna().any():
        raise DataError("The Handbook protocol needs a label on every transaction.", remedy="Map the label column.")
    card, _ = pd.factorize(table["card_id"].astype(str))
    fraud = table["is_fraud"].fillna(0).to_numpy(dtype=bool)
    train = np.flatnonzero((days >= 0) & (days < TRAIN_DAYS))
    compromised = np.zeros(int(card.max()) + 1, bool)
    compromised[card[train][fraud[train]]] = True
    test = []
    for day in range(TRAIN_DAYS + DELAY_DAYS, last + 1):
        # What happened the day before (test day - delay) has become known by the test day.
        compromised[card[fraud & (days == day - DELAY_DAYS - 1)]] = True
        test.append(np.flatnonzero((days == day) & ~compromised[card]))
    return HandbookSplit(train, np.concatenate(test), days)


def evaluate_fdh(
    table: pd.DataFrame,
    features: Matrix,
    *,
    names: Sequence[str],
    start: pd.Timestamp = CHAPTER_3,
    all_history: bool = False,
    seeds: int = SEEDS,
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, float]:
    """Train on the protocol's week alone, or on everything until its end, and return the figures of the test week.

    ``features`` (n, f) float32 belong to the rows of ``table``, columns named by ``names``. Keys: auc,
    average_precision, card_precision_at_100, and train_rows, train_frauds, test_rows, test_frauds.
    """
    check_inputs(table, features, names)
    split = handbook_split(table, start)
    train = np.flatnonzero((split.days < TRAIN_DAYS) & table["is_fraud"].notna()) if all_history else split.train
    truth = table["is_fraud"].fillna(0).to_numpy(dtype=bool)
    # Cards known to be compromised do not occur in the test, so what is known of a card's outcomes could only mislead.
    # The Handbook's customers are its cards: all that is said of them is said of the card already.
    useless = {
        one.name for one in FEATURES if one.entity == "customer" or (one.entity, one.source) == ("card", "labels")
    }
    columns = np.flatnonzero([name not in useless for name in names])
    sample = Sample(features[np.ix_(train, columns)], truth[train])
    test = features[np.ix_(split.test, columns)]
    margin = np.zeros(len(split.test))
    for seed in range(seeds):
        if progress is not None:
            progress("fitting", seed / seeds)
        margin += fit_lightgbm(sample, None, seed, ROUNDS, RECIPE).scorer.margin(test)
    fraud = truth[split.test]
    cards = pd.factorize(table["card_id"].iloc[split.test].astype(str))[0]
    return {
        "auc": metrics.auc(fraud, margin),
        "average_precision": metrics.average_precision(fraud, margin),
        "card_precision_at_100": metrics.card_precision_at_k(split.days[split.test], cards, margin, fraud, TOP_CARDS),
        "train_rows": len(train),
        "train_frauds": int(truth[train].sum()),
        "test_rows": len(split.test),
        "test_frauds": int(fraud.sum()),
    }


def report_fdh(
    table: pd.DataFrame,
    features: Matrix,
    *,
    names: Sequence[str],
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Return the figures of the book's split, and beside them those of other trainings, by the same keys.

    ``all_history``: trained on all rows until the week's end, tested on the same week. ``validation``: weeks that the
    recipe was chosen on, by their first day of training. Raises `DataError` as `evaluate_fdh` does.
    """
    runs: dict[str, dict[str, Any]] = {
        "the book's week": {},
        **{f"{day:%Y-%m-%d}": {"start": day} for day in VALIDATION_WEEKS},
        "all history": {"all_history": True, "seeds": 1},
    }
    found = {}
    for done, (name, changes) in enumerate(runs.items()):
        tell = None if progress is None else _within(progress, name, done, len(runs))
        found[name] = evaluate_fdh(table, features, names=names, progress=tell, **changes)
    week, all_history = found.pop("the book's week"), found.pop("all history")
    return {**week, "all_history": all_history, "validation": found}


def _within(progress: Callable[[str, float], None], name: str, done: int, total: int) -> Callable[[str, float], None]:
    """Tell of a part's progress as of the whole's."""
    return lambda _stage, share: progress(name, (done + share) / total)

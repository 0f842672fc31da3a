import numpy as np
import pandas as pd
import pytest

from features.errors import DataError
from models import metrics
from models.evaluate import evaluate
from models.policy import Costs, Policy
from models.policy_choice import cost


class ByColumn:
    """Scores each row by its first feature."""

    def score(self, features):
        return 1 / (1 + np.exp(-features[:, 0].astype(float)))


def test_agrees_with_the_metrics(data):
    table, features = data
    report = evaluate(ByColumn(), table, features, resamples=0)
    fraud, score = table["is_fraud"].to_numpy(dtype=bool), ByColumn().score(features)
    assert report["n"] == len(table)
    assert report["n_fraud"] == fraud.sum()
    assert report["fraud_rate"] == pytest.approx(fraud.mean())
    assert report["average_precision"] == metrics.average_precision(fraud, score)
    assert report["recall_at_fpr_1pct"] == metrics.recall_at_fpr(fraud, score, [0.01])[0]
    assert report["brier"] == metrics.brier(fraud, score)
    assert "auc_interval" not in report


def test_intervals_surround_the_figure_and_repeat(data):
    table, features = data
    report = evaluate(ByColumn(), table, features, resamples=40, seed=1)
    for name in ("auc", "average_precision", "recall_at_fpr_0.5pct"):
        low, high = report[f"{name}_interval"]
        assert low < report[name] < high
    assert report == evaluate(ByColumn(), table, features, resamples=40, seed=1)


def test_cards_are_resampled_whole(data):
    table, features = data
    each_its_own = evaluate(ByColumn(), table.assign(card_id=table["transaction_id"]), features, resamples=20)
    one_card = evaluate(ByColumn(), table.assign(card_id="c1"), features, resamples=20)
    assert np.ptp(each_its_own["auc_interval"]) > 0
    assert one_card["auc_interval"] == [one_card["auc"]] * 2  # nothing to draw but the whole


def test_unlabelled_rows_do_not_count(data):
    table, features = data
    partly = table.copy()
    partly.loc[partly.index >= 2000, "is_fraud"] = pd.NA
    report = evaluate(ByColumn(), partly, features, resamples=0)
    assert report == evaluate(ByColumn(), table.iloc[:2000], features[:2000], resamples=0)


def test_policy_adds_its_own_figures(data):
    table, features = data
    policy = Policy(review=0.5, decline=0.9, costs=Costs())
    report = evaluate(ByColumn(), table, features, policy, resamples=0)
    score = ByColumn().score(features)
    assert report["review_rate"] == pytest.approx(((score >= 0.5) & (score < 0.9)).mean())
    assert report["decline_rate"] == pytest.approx((score >= 0.9).mean())
    assert report["value_detection_rate"] == pytest.approx(
        metrics.value_detection_rate(table["is_fraud"].to_numpy(dtype=bool), table["amount"], score >= 0.5)
    )


def test_unusable_data_is_refused(data):
    table, features = data
    unlabelled = table.assign(is_fraud=pd.array([pd.NA] * len(table), dtype="Int8"))
    with pytest.raises(DataError, match="has a label"):
        evaluate(ByColumn(), unlabelled, features)
    with pytest.raises(DataError, match="both classes"):
        evaluate(ByColumn(), table.assign(is_fraud=pd.array([0] * len(table), dtype="Int8")), features)
    with pytest.raises(DataError, match="feature rows"):
        evaluate(ByColumn(), table, features[:-1])


def test_money_and_cards_are_those_of_their_own_metrics(data):
    table, features = data
    costs = Costs(review_cost=2.0, catch_rate=0.5)
    policy = Policy(review=0.8, decline=0.9, costs=costs)
    report = evaluate(ByColumn(), table, features, policy, resamples=20)
    fraud, score, amount = table["is_fraud"].to_numpy(dtype=bool), ByColumn().score(features), table["amount"]
    verdicts = np.select([score >= 0.9, score >= 0.8], ["decline", "review"], "approve")
    saved = amount[fraud].sum() - cost(verdicts, amount, fraud, costs)
    assert report["money_saved"] == pytest.approx(saved)
    assert report["money_saved_per_1000"] == pytest.approx(saved / len(table) * 1000)
    days = table["event_time"].dt.floor("D")
    assert report["card_precision_at_100"] == metrics.card_precision_at_k(days, table["card_id"], score, fraud)
    for name in (
        "money_saved",
        "money_saved_per_1000",
        "value_detection_rate",
        "card_precision_at_100",
        "brier",
        "ece",
    ):
        low, high = report[f"{name}_interval"]
        assert low < high

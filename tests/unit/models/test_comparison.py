import numpy as np
import pytest

from models.comparison import by_segment, differences, moves
from models.policy import Costs, Policy


def scored(seed=0, rows=4000, *, better=1.0):
    random = np.random.default_rng(seed)
    truth = random.random(rows) < 0.05
    base = random.normal(size=rows)
    first = 1 / (1 + np.exp(-(base + 2 * truth - 3)))
    second = 1 / (1 + np.exp(-(base + (2 + better) * truth - 3)))
    return truth, random.integers(0, 800, rows), first, second


def test_the_difference_is_second_less_first_with_an_interval_that_knows_both_saw_the_same_rows():
    truth, cards, first, second = scored()
    found = differences(truth, cards, first, second, resamples=200)
    precision = found["average_precision"]
    assert precision.difference == pytest.approx(precision.second - precision.first)
    assert 0 < precision.low < precision.difference < precision.high
    back = differences(truth, cards, second, first, resamples=200)["average_precision"]
    assert (back.low, back.high) == pytest.approx((-precision.high, -precision.low))


def test_a_model_does_not_differ_from_itself():
    truth, cards, first, _ = scored()
    for figure in differences(truth, cards, first, first, resamples=20).values():
        assert (figure.difference, figure.low, figure.high) == (0, 0, 0)


def test_models_that_only_differ_by_chance_are_not_told_apart():
    random = np.random.default_rng(5)
    truth, cards, first, _ = scored()
    noisy = first * random.lognormal(0, 0.05, len(first)).clip(None, 1.5)
    figure = differences(truth, cards, first, noisy / 2, resamples=200)["average_precision"]
    assert figure.low < 0 < figure.high or abs(figure.difference) < 0.01


def test_recall_by_segment_by_hand():
    # 1000 genuine payments: 5 may be flagged, so the threshold is the sixth highest, 0.95 - 5/10000.
    genuine = 0.95 - np.arange(1000) / 10_000
    fraud_first, fraud_second = np.array([0.99, 0.99, 0.1, 0.99]), np.array([0.99, 0.1, 0.1, 0.1])
    truth = np.append(np.zeros(1000, bool), np.ones(4, bool))
    cards = np.arange(1004)
    labels = np.array(["east"] * 900 + ["west"] * 100 + ["east", "east", "west", "west"])
    nameless = np.where(np.arange(1004) < 10, "", "all")
    found = by_segment(
        truth,
        cards,
        {"place": labels, "other": nameless},
        np.append(genuine, fraud_first),
        np.append(genuine, fraud_second),
    )
    figures = [(one.dimension, one.segment, one.rows, one.frauds, one.recall.first, one.recall.second) for one in found]
    assert figures == [
        ("place", "east", 902, 2, 1.0, 0.5),
        ("place", "west", 102, 2, 0.5, 0.0),
        ("other", "all", 994, 4, 0.75, 0.25),
    ]
    assert [one.fraud_cards for one in found] == [2, 2, 4]


def test_one_card_with_many_frauds_tells_nothing_about_chance():
    truth = np.append(np.zeros(400, bool), np.ones(40, bool))
    cards = np.append(np.arange(400), np.full(40, 7))
    first = np.append(np.zeros(400), np.ones(40))
    [one] = by_segment(truth, cards, {"all": np.full(440, "x")}, first, np.zeros(440))
    assert (one.frauds, one.fraud_cards) == (40, 1)


def test_moves_by_hand():
    one = Policy(review=0.2, decline=0.8, costs=Costs())
    other = Policy(review=0.5, decline=0.8, costs=Costs())
    first, second = np.array([0.1, 0.3, 0.3, 0.9]), np.array([0.6, 0.3, 0.9, 0.9])
    truth = np.array([False, False, True, True])
    found = moves((first, one), (second, other), np.ones(4), truth)
    counts = {(old, new): found[old][new] for old in found for new in found if found[old][new]}
    assert counts == {
        ("approve", "review"): 1,
        ("review", "approve"): 1,
        ("review", "decline"): 1,
        ("decline", "decline"): 1,
    }
    assert found["review"]["frauds to decline"] == 1
    assert found["review"]["frauds to approve"] == 0

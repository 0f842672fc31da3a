import numpy as np

from features.catalogue import FEATURES, NAMES
from models.reasons import reason_codes


def row(**values):
    attributions = np.zeros(len(NAMES))
    for name, value in values.items():
        attributions[NAMES.index(name)] = value
    return attributions


def test_strongest_first_with_the_catalogues_words():
    values = np.full(len(NAMES), 7.0)
    reasons = reason_codes(row(amount=0.5, merchant_fraud_rate_7d=2.0, is_night=-3.0), values, NAMES)
    assert [reason.code for reason in reasons] == ["MERCHANT_FRAUD_RATE_7D", "AMOUNT"]
    words = {feature.name: feature.reason for feature in FEATURES}
    assert reasons[0].text == words["merchant_fraud_rate_7d"]
    assert (reasons[0].attribution, reasons[0].value) == (2.0, 7.0)


def test_one_phrase_counts_once():
    reasons = reason_codes(row(merchant_fraud_rate_7d=2.0, merchant_fraud_rate_24h=1.5, amount=1.0), row(), NAMES)
    assert [reason.code for reason in reasons] == ["MERCHANT_FRAUD_RATE_7D", "AMOUNT"]


def test_at_most_k():
    assert len(reason_codes(np.ones(len(NAMES)), row(), NAMES, k=2)) == 2


def test_nothing_raised_the_score():
    assert reason_codes(-np.ones(len(NAMES)), row(), NAMES) == []


def test_missing_value_and_unknown_feature():
    (reason,) = reason_codes([1.0], [np.nan], ["made_up_score"])
    assert (reason.text, reason.value) == ("made up score", None)

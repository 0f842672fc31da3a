"""Stand-ins for the trained parts, which need no training and give every verdict, and made-up payments for them."""

import math
from datetime import timedelta

import numpy as np

from features.catalogue import NAMES
from features.transaction import Transaction
from models.calibrated_model import Explanation
from models.policy import Costs, Policy

BASE = -4.0
AMOUNT_WEIGHT = 0.02


class FakeBundle:
    """A bundle whose log-odds rise with the amount and, a little, with every other feature.

    Sums are exact (`math.fsum`), so a row scores the same alone and in a batch, and any change of any feature shows.
    """

    def __init__(self, version="fake-1", names=NAMES, anomaly=None, fallback=None, network=None):
        self.anomaly = anomaly
        self.fallback = fallback
        self.network = network
        self.version = version
        self.feature_names = tuple(names)
        self.smoke_tests = 0
        self._weights = np.array([AMOUNT_WEIGHT if n == "amount" else 0.01 * (1 + i % 7) for i, n in enumerate(names)])

    def log_odds(self, features):
        return np.array([math.fsum([BASE, *row]) for row in self._attributions(features)])

    def score(self, features):
        return 1 / (1 + np.exp(-self.log_odds(features)))

    def explain(self, features):
        return Explanation(BASE, self._attributions(features), self.log_odds(features))

    def smoke_test(self):
        self.smoke_tests += 1

    def _attributions(self, features):
        values = np.nan_to_num(np.asarray(features, np.float64))
        amounts = np.array([name == "amount" for name in self.feature_names])
        return self._weights * np.where(amounts, values, np.tanh(values / 10))


def fake_policy(review=0.3, decline=0.8):
    """Review from ``review`` up, decline from ``decline`` up."""
    return Policy(review=review, decline=decline, costs=Costs())


def fake_payment(n, begin, *, amount=20.0, **changes):
    """The ``n``-th payment of one card at one shop, ``n`` minutes after ``begin``; ``changes`` are other fields."""
    fields = {
        "transaction_id": f"t{n}",
        "event_time": begin + timedelta(minutes=n),
        "card_id": "card1",
        "merchant_id": "shop1",
        "amount": amount,
        "currency": "EUR",
    }
    return Transaction(**(fields | changes))

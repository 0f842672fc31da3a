from datetime import date

import numpy as np
import pandas as pd
import pytest

from models.outcomes import outcomes
from models.policy import Costs, Policy
from models.stability import population_stability_index, weeks


def test_psi_by_hand():
    # Two bins split at the median .45: shares 1/2, 1/2 before and 1/4, 3/4 now.
    reference, current = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], [0.1, 0.5, 0.6, 0.7]
    expected = (0.25 - 0.5) * np.log(0.25 / 0.5) + (0.75 - 0.5) * np.log(0.75 / 0.5)
    assert population_stability_index(reference, current, bins=2) == pytest.approx(expected)


def test_psi_of_the_same_is_0_and_stays_finite_where_a_bin_is_empty():
    random = np.random.default_rng(0)
    scores = random.random(1000)
    assert population_stability_index(scores, scores) == 0
    assert 1 < population_stability_index(scores, scores + 10) < 20
    assert population_stability_index([0.5] * 10, [0.5] * 3) == 0


class ByColumn:
    def score(self, features):
        return features[:, 0].astype(float)


def test_weeks_are_measured_on_their_own():
    days = np.repeat([0, 6, 7, 15], 20)
    fraud = np.tile([1, 0], 40)
    fraud[60:] = 0
    score = np.where(fraud, 0.9, 0.1)
    score[40:60] = 1 - score[40:60]  # the second week ranks everything the wrong way round
    table = pd.DataFrame(
        {
            "event_time": pd.Timestamp("2030-01-02 13:00", tz="UTC") + pd.to_timedelta(days, unit="D"),
            "amount": 10.0,
            "card_id": "c",
            "is_fraud": pd.array(fraud, dtype="Int8"),
        }
    )
    policy = Policy(review=0.5, decline=1.0, costs=Costs())
    found = outcomes(ByColumn(), table, score.astype(np.float32).reshape(-1, 1), policy)
    first, second, third = weeks(found, found.score[:20])
    assert (first.start, second.start, third.start) == (date(2030, 1, 2), date(2030, 1, 9), date(2030, 1, 16))
    assert (first.transactions, first.frauds, first.average_precision, first.caught) == (40, 20, 1.0, 1.0)
    assert (second.transactions, second.caught) == (20, 0.0)
    assert second.average_precision == pytest.approx(0.5)
    assert (third.frauds, third.average_precision, third.caught) == (0, None, None)
    assert first.psi == pytest.approx(0)
    assert third.psi > 0.25

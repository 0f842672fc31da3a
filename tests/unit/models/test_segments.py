import numpy as np
import pandas as pd
import pytest

from models import metrics
from models.outcomes import Outcomes
from models.segments import MIN_FRAUDS, segments


@pytest.fixture(scope="module")
def divided():
    random = np.random.default_rng(0)
    count = 2000
    truth = random.random(count) < 0.1
    score = np.clip(random.random(count) * 0.5 + 0.4 * truth, 0, 1)
    found = Outcomes(
        rows=np.arange(count),
        truth=truth,
        score=score,
        amount=random.choice([5.0, 10.0, 99.99, 5000.0], count, p=[0.4, 0.4, 0.19, 0.01]),
        card=np.arange(count),
        day=np.zeros(count, np.int64),
        verdict=np.where(score >= 0.6, "review", "approve"),
    )
    labelled = pd.DataFrame(
        {
            "channel": pd.Categorical(random.choice(["pos", "atm", None], count)),
            "country": None,
            "mcc": [f"{1000 + i % 20}" for i in range(count)],
        }
    )
    known = random.random(count) < 0.7
    return found, labelled, known, {(one.kind, one.name): one for one in segments(found, labelled, known)}


def test_figures_are_those_of_the_rows(divided):
    found, labelled, _, by_name = divided
    rows = (labelled["channel"] == "atm").to_numpy()
    atm = by_name["Channel", "atm"]
    assert (atm.transactions, atm.frauds) == (rows.sum(), found.truth[rows].sum())
    assert atm.average_precision == metrics.average_precision(found.truth[rows], found.score[rows])
    flagged = found.score >= 0.6
    assert atm.caught == pytest.approx(flagged[rows & found.truth].mean())
    assert atm.false_alarms == pytest.approx(flagged[rows & ~found.truth].mean())
    assert atm.expected_to_observed == pytest.approx(found.score[rows].sum() / found.truth[rows].sum())


def test_each_division_covers_every_row_once(divided):
    found, _, known, by_name = divided
    kinds = {kind for kind, _ in by_name}
    assert kinds == {"Amount", "Channel", "Merchant category (MCC)", "Card"}  # no country is given at all
    for kind in kinds:
        assert sum(one.transactions for (of, _), one in by_name.items() if of == kind) == len(found.truth)
    assert by_name["Card", "seen before this window"].transactions == known.sum()
    assert ("Channel", "not given") in by_name
    assert ("Merchant category (MCC)", "all others") in by_name
    assert by_name["Amount", "10 to under 50"].transactions == (found.amount == 10).sum()  # the lower edge is inside


def test_small_segments_are_not_judged(divided):
    large = divided[3]["Amount", "1,000 and more"]
    assert large.frauds < MIN_FRAUDS
    assert large.too_small
    assert large.caught is None

import numpy as np
import pytest

from models import metrics
from models.outcomes import Outcomes
from models.segment_figures import LARGEST, MIN_FRAUDS, NOT_GIVEN, segment_figures


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
        amount=np.full(count, 5.0),
        card=np.arange(count),
        day=np.zeros(count, np.int64),
        verdict=np.where(score >= 0.6, "review", "approve"),
    )
    divisions = {
        "amount": random.choice(["10 to 50", "under 10", "1000 or more"], count, p=[0.5, 0.49, 0.01]),
        "channel": random.choice(["pos", "atm", ""], count),
        "country": np.array([f"c{i % 20:02}" for i in range(count)]),
    }
    return found, divisions, {(one.kind, one.name): one for one in segment_figures(found, divisions)}


def test_figures_are_those_of_the_rows(divided):
    found, divisions, by_name = divided
    rows = divisions["channel"] == "atm"
    atm = by_name["channel", "atm"]
    assert (atm.transactions, atm.frauds) == (rows.sum(), found.truth[rows].sum())
    assert atm.average_precision == metrics.average_precision(found.truth[rows], found.score[rows])
    flagged = found.score >= 0.6
    assert atm.caught == pytest.approx(flagged[rows & found.truth].mean())
    assert atm.false_alarms == pytest.approx(flagged[rows & ~found.truth].mean())
    assert atm.expected_to_observed == pytest.approx(found.score[rows].sum() / found.truth[rows].sum())


def test_each_division_covers_every_row_once(divided):
    found, divisions, by_name = divided
    for kind in divisions:
        assert sum(one.transactions for (of, _), one in by_name.items() if of == kind) == len(found.truth)
    assert ("channel", NOT_GIVEN) in by_name
    assert by_name["country", "all others"].transactions == (20 - LARGEST) * 100


def test_amounts_go_up_and_the_rest_from_the_largest(divided):
    _, _, by_name = divided
    assert [name for kind, name in by_name if kind == "amount"] == ["under 10", "10 to 50", "1000 or more"]
    channels = [one.transactions for (kind, name), one in by_name.items() if kind == "channel" and name != NOT_GIVEN]
    assert channels == sorted(channels, reverse=True)


def test_small_segments_are_not_judged(divided):
    large = divided[2]["amount", "1000 or more"]
    assert large.frauds < MIN_FRAUDS
    assert large.too_small
    assert large.caught is None

"""Weighted card precision: copies of a card against cards really written down several times."""

import numpy as np
import pytest

from models.card_precision import CardDays


def test_copies_by_hand():
    # k=2. Day 1: A twice (.9, compromised) fill both places: 2 hits, and both copies leave. Day 2: B once (.8,
    # genuine), then the first of three copies of C (.7, compromised): 1 hit; two stay. Day 3: both are hits.
    days, cards = [1, 1, 2, 2, 2, 3], [0, 1, 0, 1, 2, 2]
    scores, fraud = [0.9, 0.5, 0.99, 0.8, 0.7, 0.6], [1, 0, 1, 0, 1, 1]
    assert CardDays(days, cards, scores, fraud).precision_at(2, np.array([2, 1, 3])) == pytest.approx((2 + 1 + 2) / 6)


@pytest.mark.parametrize("seed", range(3))
def test_copies_agree_with_cards_written_down_several_times(seed):
    random = np.random.default_rng(seed)
    day, card = random.integers(0, 5, 600), random.integers(0, 60, 600)
    score, fraud = random.random(600), random.random(600) < 0.1
    copies = random.integers(0, 4, 60)
    rows = np.repeat(np.arange(600), copies[card])
    copy = np.concatenate([np.arange(count) for count in copies[card]])
    written_down = CardDays(day[rows], card[rows] * 4 + copy, score[rows], fraud[rows])
    assert CardDays(day, card, score, fraud).precision_at(15, copies) == pytest.approx(written_down.precision_at(15))


def test_measuring_twice_gives_the_same():
    found = CardDays([1, 2], [0, 0], [0.5, 0.6], [1, 1])
    assert found.precision_at(1) == found.precision_at(1) == 0.5  # found on day 1, gone on day 2

import numpy as np

from streaming.simulator import sectors
from streaming.simulator.prices import draw_cents, finish


def test_endings_never_change_the_whole_part_nor_reach_zero() -> None:
    cents = np.random.default_rng(0).uniform(50, 60_000, 20_000)
    done = finish(np.random.default_rng(1), cents, np.zeros(cents.size, dtype=np.int64))
    assert (done // 100 == np.floor(cents / 100)).all()
    assert done.min() > 0
    assert 0.2 < (done % 100 == 99).mean() < 0.26


def test_cash_comes_in_steps_and_prices_follow_their_category() -> None:
    rng, one = np.random.default_rng(0), np.ones(5000)
    cash = draw_cents(rng, np.full(5000, sectors.ATM), one, one)
    assert (cash % 1000 == 0).all()
    fuel = draw_cents(rng, np.full(5000, sectors.INDEX["5541"]), one, one)
    assert abs(np.median(fuel) / 100 - 50) < 2

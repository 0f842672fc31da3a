import numpy as np
import pandas as pd

from streaming.simulator import LabelDelay, Scenario, Simulation, simulate
from streaming.simulator.labels import label_delay_ms

DAY_MS = 86_400_000


def test_fraud_is_known_late_but_within_the_maximum(simulation: Simulation) -> None:
    frame = simulation.transactions
    delay = (frame.label_time - frame.event_time)[frame.is_fraud == 1]
    assert delay.min() > pd.Timedelta(0)
    assert delay.max() <= pd.Timedelta(days=60)
    assert pd.Timedelta(days=1) < delay.median() < pd.Timedelta(days=8)
    assert delay.nunique() > 0.9 * len(delay)


def test_honest_transactions_count_as_honest_after_the_given_delay() -> None:
    frame = simulate(Scenario(transactions=400, label_delay=LabelDelay(honest_after_days=3))).transactions
    honest = frame[frame.is_fraud == 0]
    assert ((honest.label_time - honest.event_time) == pd.Timedelta(days=3)).all()


def test_analysts_are_sooner_than_chargebacks_and_the_maximum_caps() -> None:
    rng = np.random.default_rng(0)
    fraud, nobody = np.ones(4000, dtype=bool), np.zeros(4000, dtype=bool)
    analysts = label_delay_ms(rng, fraud, nobody, LabelDelay(analyst_share=1.0))
    chargebacks = label_delay_ms(rng, fraud, nobody, LabelDelay(analyst_share=0.0, max_days=9))
    assert np.median(analysts) < DAY_MS / 2 < np.median(chargebacks)
    assert chargebacks.max() == 9 * DAY_MS


def test_disputes_are_never_an_analysts() -> None:
    everyone = np.ones(2000, dtype=bool)
    delay = label_delay_ms(np.random.default_rng(0), everyone, everyone, LabelDelay(analyst_share=1.0))
    assert np.median(delay) > 4 * DAY_MS

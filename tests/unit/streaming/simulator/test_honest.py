from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from streaming.simulator import Scenario, Simulation, simulate
from streaming.simulator.honest import honest_rows
from streaming.simulator.rows import STORED
from streaming.simulator.world import build_world


@pytest.fixture(scope="module")
def honest(simulation: Simulation) -> pd.DataFrame:
    frame = simulation.transactions
    people = simulation.customers[["customer_id", "home_country", "age_band", "gender", "income"]]
    plain = frame[~frame.transaction_id.isin(simulation.truth.transaction_id)].astype({"customer_id": object})
    return plain.merge(people, on="customer_id")


def test_days_have_a_rhythm_in_local_time(honest: pd.DataFrame) -> None:
    for country, zone in (("DE", "Europe/Berlin"), ("ES", "Europe/Madrid")):
        shops = honest[(honest.country == country) & (honest.home_country == country) & (honest.channel == "pos")]
        hour = shops.event_time.dt.tz_convert(ZoneInfo(zone)).dt.hour
        assert hour.between(1, 5).mean() < 0.05
        assert hour.between(8, 20).mean() > 0.75


def test_weeks_have_a_rhythm(honest: pd.DataFrame) -> None:
    daily = honest.groupby(honest.event_time.dt.date).size()
    weekday = pd.to_datetime(daily.index).dayofweek
    assert daily[weekday == 5].mean() > 1.15 * daily[weekday == 6].mean()


def test_seasons_have_a_rhythm() -> None:
    frame = simulate(Scenario(transactions=30_000, days=365, fraud_rate=0)).transactions
    months = frame.groupby(frame.event_time.dt.month).size()
    assert months[12] > 1.15 * months[2] * 31 / 28


def test_customers_return_to_favourites(honest: pd.DataFrame) -> None:
    visits = honest[honest.channel == "pos"].groupby(["customer_id", "merchant_id"], observed=True).size()
    top = visits.groupby("customer_id").max() / visits.groupby("customer_id").sum()
    assert top.median() > 0.12


def test_amounts_follow_category_and_income(honest: pd.DataFrame) -> None:
    median = honest.groupby("mcc", observed=True).amount.median()
    assert median["4111"] < median["5814"] < median["5411"] < median["5732"]
    groceries = honest[honest.mcc == "5411"]
    rich = groceries.income > groceries.income.median()
    assert groceries.amount[rich].median() > 1.2 * groceries.amount[~rich].median()


def test_age_and_gender_show_in_habits(honest: pd.DataFrame) -> None:
    online = (honest.channel == "ecommerce").groupby(honest.age_band).mean()
    assert online["18-24"] > 1.5 * online["65+"]
    beauty = (honest.mcc == "5977").groupby(honest.gender).mean()
    assert beauty["female"] > 2 * beauty["male"]


def test_sharing_a_device_or_an_address_is_no_proof_of_fraud() -> None:
    frame = simulate(Scenario(transactions=60_000, seed=11)).transactions.dropna(subset="device_id")
    for entity in ("device_id", "ip"):
        group = frame.groupby(entity, observed=True)
        shared = group.customer_id.nunique() > 1
        assert shared.sum() > 50
        assert (group.is_fraud.sum()[shared] > 0).mean() < 0.5
    assert frame.groupby("ip", observed=True).customer_id.nunique().max() > 30  # carriers' shared addresses


def test_subscriptions_repeat_the_same_amount(honest: pd.DataFrame) -> None:
    charges = honest[(honest.entry_mode == "stored") & honest.device_id.isna()]
    same = charges.groupby(["card_id", "merchant_id", "amount"], observed=True).size()
    assert (same > 1).mean() > 0.3


def test_the_count_is_exact_and_reported() -> None:
    rng = np.random.default_rng(5)
    world = build_world(rng, Scenario(transactions=700))
    made: list[int] = []
    rows = honest_rows(world, rng, 700, made.append)
    assert len(rows) == made[-1] == 700
    assert ((rows.device >= 0) | (rows.entry != STORED) | (rows.ip < 0)).all()

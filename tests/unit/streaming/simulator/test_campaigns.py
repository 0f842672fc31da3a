import pandas as pd
import pytest

from features.errors import ConfigurationError
from streaming.simulator import CampaignMix, RingShape, Scenario, Simulation, simulate
from streaming.simulator.places import distance_km


@pytest.fixture(scope="module")
def fraud(simulation: Simulation) -> pd.DataFrame:
    return simulation.transactions.merge(simulation.truth, on="transaction_id")


def campaigns(fraud: pd.DataFrame, kind: str) -> pd.DataFrame:
    return fraud[fraud.campaign == kind]


def test_rings_share_devices_and_addresses_among_cards(fraud: pd.DataFrame) -> None:
    rings = campaigns(fraud, "mule_ring")
    assert rings.ring_id.notna().all()
    assert fraud[fraud.campaign != "mule_ring"].ring_id.isna().all()
    whole = rings.groupby("ring_id").filter(lambda ring: len(ring) >= 9)
    assert whole.ring_id.nunique() >= 3
    for _, ring in whole.groupby("ring_id"):
        assert ring.card_id.nunique() >= 2
        assert ring.groupby("device_id", observed=True).card_id.nunique().max() >= 2
        assert ring.groupby("ip", observed=True).card_id.nunique().max() >= 2
    assert (whole.channel == "transfer").mean() > 0.2


def test_takeovers_travel_impossibly_and_honest_customers_hardly_ever(
    simulation: Simulation, fraud: pd.DataFrame
) -> None:
    located = simulation.transactions.dropna(subset="latitude").sort_values(["card_id", "event_time"])
    before = located.shift(1)
    hours = (located.event_time - before.event_time).dt.total_seconds() / 3600
    km = distance_km(*(column.to_numpy() for column in (before.latitude, before.longitude)),
                     *(column.to_numpy() for column in (located.latitude, located.longitude)))  # fmt: skip
    impossible = (km > 300) & (km / hours > 1000) & (located.card_id.astype(object) == before.card_id.astype(object))
    taken = located.transaction_id.isin(campaigns(fraud, "account_takeover").transaction_id)
    assert impossible[taken].mean() > 0.3
    honest = ~located.transaction_id.isin(fraud.transaction_id)
    after_honest = honest & honest.shift(1, fill_value=False)
    assert 0 < impossible[after_honest].mean() < 0.003


def test_card_testing_is_tiny_amounts_on_several_cards_at_one_merchant(fraud: pd.DataFrame) -> None:
    tests = campaigns(fraud, "card_testing")
    tiny = tests[tests.amount < 7]
    assert len(tiny) > 0.5 * len(tests)
    assert tests.amount.max() > 50
    cards = tiny.groupby("campaign_id").card_id.nunique()
    main_share = tiny.groupby("campaign_id").merchant_id.agg(lambda ids: ids.value_counts(normalize=True).iloc[0])
    assert cards.max() >= 3
    assert main_share.median() == 1.0


def test_stolen_cards_buy_in_person_several_times_in_hours(fraud: pd.DataFrame) -> None:
    stolen = campaigns(fraud, "stolen_card")
    assert stolen.channel.isin(["pos", "atm"]).all()
    by_card = stolen.groupby("campaign_id")
    assert by_card.card_id.nunique().max() == 1
    bursts = by_card.event_time.agg(lambda times: times.max() - times.min())[by_card.size() >= 4]
    assert bursts.median() < pd.Timedelta(hours=4)


def test_compromised_merchants_spoil_many_cards(fraud: pd.DataFrame) -> None:
    spoiled = campaigns(fraud, "compromised_merchant").groupby("campaign_id")
    assert spoiled.card_id.nunique().median() >= 3
    assert spoiled.merchant_id.nunique().min() == 1  # charges at the terminal itself
    assert spoiled.merchant_id.nunique().max() > 3  # skimmed cards abused elsewhere


def test_drips_stay_under_a_limit_for_days_and_probes_climb_to_one(fraud: pd.DataFrame) -> None:
    drip = campaigns(fraud, "slow_drip").groupby("campaign_id")
    assert (drip.amount.max() < 100).all()
    assert drip.event_time.agg(lambda times: times.max() - times.min()).median() > pd.Timedelta(days=2)
    probe = campaigns(fraud, "threshold_probing").groupby("campaign_id")
    assert (probe.amount.max() <= 500).all()
    climbs = probe.amount.agg(lambda amounts: amounts.iloc[0] < amounts.max())
    assert climbs[probe.size() > 2].mean() > 0.9


def test_rings_have_the_shape_that_is_asked_for() -> None:
    shape = RingShape(members=(12, 12), payments=(6, 8), devices=(2, 2), addresses=(1, 1), camouflage=0.0, hidden=0.0)
    mix = CampaignMix(**(dict.fromkeys(CampaignMix().weights(), 0.0) | {"mule_ring": 1.0}))
    result = simulate(Scenario(transactions=6_000, days=60, seed=2, fraud_rate=0.1, campaigns=mix, rings=shape))
    rows = result.truth.dropna(subset=["ring_id"]).merge(result.transactions, on="transaction_id")
    rings = rows.astype({"device_id": object, "ip": object, "card_id": object}).groupby("ring_id")
    assert rings.device_id.nunique().max() == 2
    assert rings.ip.nunique().max() == 1
    assert 10 <= rings.card_id.nunique().max() <= 12  # a customer may be drawn twice


@pytest.mark.parametrize(
    "changes", [{"members": (1, 3)}, {"members": (5, 4)}, {"payments": (3, 3)}, {"camouflage": 1.5}, {"hidden": -0.1}]
)
def test_rings_of_an_impossible_shape_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(changes))):
        RingShape(**changes)  # type: ignore[arg-type]

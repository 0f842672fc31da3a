from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier

from features import table
from features.codec import decode_transaction
from features.transaction import Transaction
from streaming.simulator import CampaignMix, Scenario, Simulation, simulate


def number_in(column: pd.Series) -> pd.Series:
    """Return the number in each id (addresses count as one number); -1 where there is no id."""
    digits = column.astype(object).fillna("").str.extract(r"(\d+)$")[0].fillna(-1).astype(float)
    parts = column.astype(object).fillna("").str.extract(r"^10\.(\d+)\.(\d+)\.(\d+)$").astype(float)
    return (parts[0] * 65_536 + parts[1] * 256 + parts[2]).fillna(digits)


def held_out_auc(simulation: Simulation, features: pd.DataFrame, rows: Sequence[bool] | slice = slice(None)) -> float:
    """Return the AUC of a small model on ``features``; campaigns never straddle the folds."""
    frame = simulation.transactions
    campaign = simulation.truth.set_index("transaction_id").campaign_id.reindex(frame.transaction_id)
    rng = np.random.default_rng(0)
    honest = np.array([f"h{number}" for number in rng.integers(0, 500, len(frame))], dtype=object)
    groups = np.where(campaign.isna(), honest, campaign.to_numpy())[rows]
    truth = frame.is_fraud.to_numpy(dtype=int)[rows]
    model = DecisionTreeClassifier(max_depth=5, min_samples_leaf=100, random_state=0)
    folds = GroupKFold(3, shuffle=True, random_state=0)
    score = cross_val_predict(model, features.to_numpy()[rows], truth, groups=groups, cv=folds, method="predict_proba")
    return float(roc_auc_score(truth, score[:, 1]))


def test_the_table_is_canonical(simulation: Simulation) -> None:
    frame = simulation.transactions
    assert list(frame.columns) == list(table.COLUMNS)
    assert len(frame) == 60_000
    assert frame.event_time.dtype == frame.label_time.dtype == "datetime64[us, UTC]"
    assert frame.is_fraud.dtype == "Int8"
    assert frame.event_time.is_monotonic_increasing
    assert frame.transaction_id.is_unique
    assert frame.transaction_id.is_monotonic_increasing
    assert (frame.index == np.arange(len(frame))).all()
    assert not frame[list(table.REQUIRED)].isna().any().any()


def test_amounts_are_positive_with_two_decimals(simulation: Simulation) -> None:
    amount = simulation.transactions.amount.to_numpy()
    assert amount.min() > 0
    assert (np.round(amount, 2) == amount).all()


def test_rows_are_valid_transactions_on_the_wire(simulation: Simulation) -> None:
    sample = simulation.transactions.sample(400, random_state=1).drop(columns=list(table.LABELS))
    for row in sample.astype(object).to_dict("records"):
        row["event_time"] = row["event_time"].to_pydatetime()
        fields = {name: value for name, value in row.items() if pd.notna(value)}
        transaction = decode_transaction(msgspec.json.encode(fields | {"event_time": row["event_time"].isoformat()}))
        assert transaction == msgspec.convert(fields, Transaction)


def test_places_and_devices_belong_to_their_channels(simulation: Simulation) -> None:
    frame = simulation.transactions
    in_person = frame.channel.isin(["pos", "atm"])
    assert frame.latitude[in_person].notna().all()
    assert frame.latitude[~in_person].isna().all()
    assert frame.device_id[in_person].isna().all()
    assert (frame.counterparty_id.notna() == (frame.channel == "transfer")).all()
    assert {"pos", "ecommerce", "atm", "moto", "transfer"} == set(frame.channel.unique())


@pytest.mark.parametrize("rate", [0.002, 0.005])
def test_prevalence_is_met(rate: float) -> None:
    frame = simulate(Scenario(transactions=40_000, seed=2, fraud_rate=rate)).transactions
    assert frame.is_fraud.mean() == pytest.approx(rate, rel=0.1)


def test_no_fraud_when_none_is_wanted() -> None:
    result = simulate(Scenario(transactions=500, fraud_rate=0))
    assert result.transactions.is_fraud.sum() == 0
    assert result.truth.empty
    assert list(result.truth.columns) == ["transaction_id", "campaign", "campaign_id", "ring_id"]


@pytest.mark.parametrize("count", [1, 2, 100])
def test_small_scenarios_work(count: int) -> None:
    assert len(simulate(Scenario(transactions=count, fraud_rate=0.2)).transactions) == count


@pytest.mark.parametrize("kind", list(CampaignMix().weights()))
def test_each_campaign_alone_fits_a_short_scenario(kind: str) -> None:
    weights = dict.fromkeys(CampaignMix().weights(), 0.0) | {kind: 1.0}
    scenario = Scenario(transactions=600, days=1.5, fraud_rate=0.1, friendly_share=0, campaigns=CampaignMix(**weights))
    result = simulate(scenario)
    assert set(result.truth.campaign) == {kind}
    assert result.transactions.is_fraud.sum() == 60
    start = datetime(2025, 1, 1, tzinfo=UTC)
    inside = (result.transactions.event_time - start) / pd.Timedelta(days=1)
    assert inside.between(0, 1.5, inclusive="left").all()


def test_the_truth_explains_every_label(simulation: Simulation) -> None:
    truth, frame = simulation.truth, simulation.transactions
    assert set(frame.transaction_id[frame.is_fraud == 1]) <= set(truth.transaction_id)
    assert truth.transaction_id.is_unique
    labelled = frame.set_index("transaction_id").is_fraud.reindex(truth.transaction_id).to_numpy(dtype=int)
    assert labelled[truth.campaign.to_numpy() == "friendly"].all()
    assert 0.01 < 1 - labelled.mean() < 0.08  # unreported
    assert set(truth.campaign) == {*CampaignMix().weights(), "friendly"}


def test_customers_and_merchants_cover_the_transactions(simulation: Simulation) -> None:
    frame = simulation.transactions
    owner = {card: row.customer_id for row in simulation.customers.itertuples() for card in row.card_ids.split()}
    assert (frame.card_id.astype(object).map(owner) == frame.customer_id.astype(object)).all()
    assert simulation.customers.home_country.nunique() > 3
    mcc = simulation.merchants.set_index("merchant_id").mcc
    assert (frame.merchant_id.astype(object).map(mcc) == frame.mcc.astype(object)).all()
    assert not {"age_band", "gender", "income"} & set(frame.columns)


def test_seeds_decide_everything() -> None:
    one, again, other = (simulate(Scenario(transactions=800, seed=seed, fraud_rate=0.05)) for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(one.transactions, again.transactions)
    pd.testing.assert_frame_equal(one.truth, again.truth)
    assert not one.transactions.amount.equals(other.transactions.amount)


def test_progress_goes_forward_to_the_end() -> None:
    calls: list[tuple[int, int]] = []
    simulate(Scenario(transactions=300), progress=lambda done, total: calls.append((done, total)))
    assert calls[0] == (0, 300)
    assert calls[-1] == (300, 300)
    assert calls == sorted(calls)


def test_ids_order_and_precision_do_not_give_the_label_away(simulation: Simulation) -> None:
    frame = simulation.transactions
    features = pd.DataFrame(
        {
            "transaction": number_in(frame.transaction_id),
            "card": number_in(frame.card_id),
            "customer": number_in(frame.customer_id),
            "milliseconds": frame.event_time.dt.microsecond,
            "seconds": frame.event_time.dt.second,
            "cents": (frame.amount * 100).round() % 100,
        }
    )
    assert held_out_auc(simulation, features) == pytest.approx(0.5, abs=0.08)


def test_numbers_of_devices_and_addresses_do_not_give_the_label_away(simulation: Simulation) -> None:
    frame = simulation.transactions
    features = pd.DataFrame({"device": number_in(frame.device_id), "ip": number_in(frame.ip)})
    remote = frame.device_id.notna().to_numpy()
    assert held_out_auc(simulation, features, remote) == pytest.approx(0.5, abs=0.08)


def test_shared_columns_have_the_same_missing_values_in_fraud_and_honest_rows(simulation: Simulation) -> None:
    frame = simulation.transactions
    for channel in ("pos", "ecommerce", "transfer"):
        part = frame[frame.channel == channel]
        unnamed = part.drop(columns=["device_id", "ip"])  # subscriptions have none, which is theirs to have
        missing = unnamed.isna().groupby(part.is_fraud).mean()
        assert (missing.loc[0] == missing.loc[1]).all()

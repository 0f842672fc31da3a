import numpy as np
import pandas as pd
import pytest

from features.catalogue import column
from features.engine import FeatureEngine
from features.stores.feast_store import open_feast
from features.stores.memory import MemoryStore
from streaming.parity import verify
from streaming.simulator import Scenario, simulate

BATCH = 64


@pytest.fixture(scope="module")
def table():
    return simulate(Scenario(transactions=3000, seed=1, days=20, fraud_rate=0.02)).transactions


class ForgetfulStore(MemoryStore):
    """Loses the write number ``lost``."""

    def __init__(self, lost):
        super().__init__()
        self._lost, self._writes = lost, 0

    def write(self, states, as_of):
        self._writes += 1
        if self._writes != self._lost:
            super().write(states, as_of)


class SkewedEngine(FeatureEngine):
    """Changes one value of each micro-batch."""

    def fold(self, events, states):
        result = super().fold(events, states)
        result.features[0, column("amount_log")] += 1
        return result


def test_in_order_every_value_is_the_same_on_the_memory_store(table):
    report = verify(table, MemoryStore(), batch=BATCH)
    assert (report.differing, report.values_differing, report.unexplained, report.late) == (0, 0, 0, 0)
    assert report.transactions == len(table)


def test_in_order_every_value_is_the_same_on_feast(table, tmp_path):
    store = open_feast(tmp_path / "features")
    report = verify(table, store, batch=4 * BATCH)
    store.close()
    assert report.differing == 0


def test_the_size_of_micro_batches_changes_nothing(table):
    assert verify(table.iloc[:300], MemoryStore(), batch=1).differing == 0
    assert verify(table, MemoryStore(), batch=1000).differing == 0


def test_moments_in_common_and_labels_known_at_once_change_nothing(table):
    rng = np.random.default_rng(0)
    crowded = table.copy()
    crowded["event_time"] = crowded["event_time"].dt.floor("h")
    delays = pd.to_timedelta(rng.choice([-3600, 0, 0, 3600, 86_400], len(table)), unit="s")
    crowded["label_time"] = (crowded["event_time"] + delays).astype("datetime64[us, UTC]")
    crowded["is_fraud"] = pd.Series(rng.random(len(table)) < 0.4).astype("Int8")
    crowded["merchant_id"] = rng.choice(["m1", "m2", "m3"], len(table))
    crowded["transaction_id"] = rng.permutation(crowded["transaction_id"])  # their order is not that of the rows
    assert verify(crowded, MemoryStore(), batch=BATCH).differing_features == {}


def test_a_lost_write_is_found(table):
    report = verify(table, ForgetfulStore(20), batch=BATCH)
    assert report.differing > 0
    assert report.unexplained == report.values_differing > 0
    assert report.explained == 0


def test_a_changed_kernel_is_found_and_named(table):
    report = verify(table, MemoryStore(), batch=BATCH, engine=SkewedEngine())
    assert report.differing_features == {"amount_log": -(-len(table) // BATCH)}
    assert report.unexplained_examples[0].feature == "amount_log"


@pytest.mark.parametrize(("days", "share"), [(20, 0.02), (2, 0.3)])
def test_late_deliveries_explain_every_difference(days, share):
    table = simulate(Scenario(transactions=3000, seed=2, days=days, fraud_rate=0.05)).transactions
    report = verify(table, MemoryStore(), late=share)
    assert report.late == round(3000 * share)
    assert report.differing > 0
    assert report.unexplained == 0
    assert report.explained == report.values_differing == sum(report.differing_windows.values())
    assert report == verify(table, MemoryStore(), late=share)
    assert report != verify(table, MemoryStore(), late=share, seed=1)


def test_late_deliveries_explain_every_difference_where_entities_outgrow_their_memory(table):
    crowded = table.assign(merchant_id="m", card_id=np.resize(["c1", "c2", "c3"], len(table)))
    report = verify(crowded, MemoryStore(), late=0.01)
    assert report.differing > 0
    assert report.unexplained == 0


def test_late_deliveries_do_not_excuse_a_fault(table):
    lost = verify(table, ForgetfulStore(20), batch=BATCH, late=0.02)
    assert lost.unexplained > 0
    assert lost.explained > 0
    skewed = verify(table, MemoryStore(), batch=BATCH, late=0.02, engine=SkewedEngine())
    assert skewed.unexplained_features == {"amount_log": -(-len(table) // BATCH)}


def test_progress_ends_at_the_last_row(table):
    offline, online = [], []
    verify(
        table.iloc[:100],
        MemoryStore(),
        offline_progress=lambda *told: offline.append(told),
        online_progress=lambda *told: online.append(told),
    )
    assert offline[-1] == online[-1] == (100, 100)


def test_unlabelled_tables_agree(table):
    bare = table.assign(is_fraud=pd.Series([None] * len(table), dtype="Int8"), label_time=pd.NaT)
    bare["label_time"] = pd.to_datetime(bare["label_time"], utc=True).astype("datetime64[us, UTC]")
    assert verify(bare.iloc[:200], MemoryStore(), late=0.1).unexplained == 0

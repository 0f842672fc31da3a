"""From payments to decisions with the ring score among the model's features, by a small network."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from features.catalogue import NAMES
from features.engine import FeatureEngine
from features.errors import BundleError, ConfigurationError
from features.events import TransactionEvent
from features.stores.memory import MemoryStore
from features.stores.memory_embeddings import MemoryEmbeddings
from features.table import transactions
from models import metrics
from models.rings.column import RING_SCORE, with_ring_score
from services import recalibration
from services.bundle_features import BundleFeatures
from services.champion import bundle_of
from services.gate import run_gate, select
from services.model_comparison import compare
from services.promotion import promote
from services.recalibration import recalibrate
from services.rings import network as ring_network
from services.rings.embedding import embed_rings, needed_ring_model
from services.state_directory import open_state
from services.training import train_and_install
from streaming.explaining import explain
from streaming.network_stage import NetworkStage, StoredScores
from streaming.scoring import Scoring
from streaming.simulator import CampaignMix, Scenario, simulate
from tests.unit.services.rings.gate import ask, silent
from tests.unit.services.trained import install_editions

CPU = torch.device("cpu")
LATER = 40  # payments that come when all is trained


@pytest.fixture(scope="module")
def simulation():
    return simulate(Scenario(transactions=5000, fraud_rate=0.1, campaigns=CampaignMix(mule_ring=1.0), seed=3))


@pytest.fixture(scope="module")
def trained(simulation, tmp_path_factory):
    state = open_state(tmp_path_factory.mktemp("column") / "state")
    past = simulation.transactions.iloc[:-LATER]
    return state, train_and_install(state, past, ask_network=ask(state, simulation, lenient=True))


@pytest.fixture
def decide(simulation, trained):
    """Decide the later payments with the embeddings of ``store``, at the moment of the first of them."""
    later = simulation.transactions.iloc[-LATER:]
    moment = later["event_time"].iloc[0]

    def decide(store):
        state, found = trained
        bundle = bundle_of(state, found.bundle.version)
        stage = NetworkStage(lambda: StoredScores(store), timeout_s=30.0)
        scoring = Scoring(
            FeatureEngine(),
            MemoryStore(),
            bundle,
            found.policy,
            network=stage,
            store_timeout_s=30.0,
            clock=moment.to_pydatetime,
        )
        events = [TransactionEvent(n + 1, payment) for n, payment in enumerate(transactions(later))]
        decisions = scoring.decide(events).decisions
        scoring.close()
        return bundle, decisions

    return decide


def test_a_bundle_names_the_network_whose_score_it_takes(trained):
    state, found = trained
    assert found.bundle.feature_names == with_ring_score(NAMES)
    assert found.bundle.ring_model == ring_network.served_ring_model(state).version
    assert needed_ring_model(state).version == found.bundle.ring_model
    assert found.bundle.network.version == found.bundle.ring_model


def test_trees_never_see_a_score_of_a_network_that_knew_the_payment(trained):
    _, found = trained
    score, split = found.features[:, -1], found.result.split
    first = np.array_split(split.train.rows, 3)[0]
    assert np.isnan(score[first]).all()
    assert np.isfinite(score[np.setdiff1d(split.train.rows, first)]).all()
    assert np.isfinite(score[split.calibration.rows]).all()


def test_decisions_carry_the_score_and_come_out_again_bit_for_bit(simulation, trained, decide):
    store = MemoryEmbeddings()
    as_of = simulation.transactions["event_time"].iloc[-LATER]
    embed_rings(needed_ring_model(trained[0]), simulation.transactions, store, as_of=as_of, device=CPU, step=silent)
    bundle, decisions = decide(store)
    told = [decision.ring_score for decision in decisions]
    assert len(set(told)) > LATER // 2
    assert all(0 < score < 1 for score in told)
    for decision in decisions:
        assert decision.degraded == ()
        assert decision.features[RING_SCORE] == decision.ring_score
        again = np.array([list(decision.features.values())], np.float32)
        assert bundle.score(again)[0] == decision.score
        assert explain(bundle, decision).log_odds == bundle.log_odds(again)[0]


def test_without_embeddings_decisions_are_degraded_and_the_trees_know_what_to_do(decide):
    bundle, decisions = decide(MemoryEmbeddings())
    for decision in decisions:
        assert (decision.ring_score, decision.degraded) == (None, ("rings",))
        catalogue = np.array([[decision.features[name] for name in NAMES]], np.float32)
        assert bundle.score(catalogue)[0] == decision.score  # as a replay, which knows no ring score, has it


def test_a_network_that_is_not_let_in_leaves_a_model_without_the_score(simulation, tmp_path):
    state = open_state(tmp_path / "state")
    found = train_and_install(state, simulation.transactions, ask_network=ask(state, simulation, lenient=False))
    assert (found.bundle.feature_names, found.bundle.ring_model, found.bundle.network) == (NAMES, None, None)
    assert not state.ring_models.exists()


def test_a_bundle_without_its_network_is_refused(trained):
    state, found = trained
    directory = state.ring_models / found.bundle.ring_model
    away = directory.with_name("away")
    directory.rename(away)
    with pytest.raises(BundleError, match=found.bundle.ring_model):
        bundle_of(state, found.bundle.version)
    shutil.copytree(away, directory)
    assert bundle_of(state, found.bundle.version).network is not None


@pytest.fixture
def champion_state(trained, tmp_path):
    """A copy of the state, to be changed."""
    shutil.copytree(trained[0].path, tmp_path / "copy")
    return open_state(tmp_path / "copy")


def test_a_history_gives_the_scores_that_are_served(simulation, trained):
    state, found = trained
    table, bundle = simulation.transactions, bundle_of(state, found.bundle.version)
    whole = BundleFeatures(state, table, silent).of(bundle)
    assert whole.shape == (len(table), len(NAMES) + 1)
    hour = table["event_time"].iloc[-1].floor("h")
    store = MemoryEmbeddings()
    embed_rings(needed_ring_model(state), table, store, as_of=hour, device=CPU, step=silent)
    rows = np.flatnonzero(table["event_time"] >= hour)
    served, as_of = StoredScores(store).score(
        bundle.network, list(transactions(table.iloc[rows])), np.ascontiguousarray(whole[rows, :-1])
    )
    assert as_of == hour
    np.testing.assert_allclose(whole[rows, -1], served, rtol=1e-3, atol=1e-6)


def test_the_gate_and_the_comparison_see_the_ring_score(simulation, trained, champion_state):
    version = trained[1].bundle.version
    bundle, table = bundle_of(champion_state, version), simulation.transactions
    (edition,) = install_editions(champion_state, 1, end=bundle.manifest.data.end)
    found = compare(champion_state, version, edition, table, since=None, step=silent)
    chosen = select(table, [bundle], None).rows
    whole = BundleFeatures(champion_state, table, silent).of(bundle)[chosen]
    assert np.isfinite(whole[:, -1]).all()
    truth = table["is_fraud"].iloc[chosen].to_numpy(dtype=bool)
    told = found.figures["average_precision"].first
    assert told == metrics.average_precision(truth, bundle.score(whole))
    assert told != metrics.average_precision(truth, bundle.score(whole[:, :-1]))

    asked = {"data": "payments", "step": silent, "budget_ms": 1000}
    promote(champion_state, run_gate(champion_state, edition, table, **asked), reason="a test", force=True)
    report = run_gate(champion_state, version, table, **asked)
    checks = {check.name: check for check in report.checks}
    assert report.champion == edition
    assert checks["leakage"].passed, checks["leakage"].sentence


def test_the_ring_score_of_a_history_needs_the_extra(simulation, trained, monkeypatch):
    state, found = trained
    features = BundleFeatures(state, simulation.transactions, silent, catalogue=found.history.features)
    monkeypatch.setattr("services.extras.find_spec", lambda _name: None)
    with pytest.raises(ConfigurationError, match="gnn"):
        features.of(found.bundle)


def test_a_model_with_the_ring_score_is_recalibrated_on_it(simulation, champion_state, monkeypatch):
    fit = recalibration.recalibrated
    monkeypatch.setattr(
        recalibration, "recalibrated", lambda *given, **named: replace(fit(*given, **named), helps=True)
    )
    done = recalibrate(champion_state, simulation.transactions, step=silent)
    assert done.bundle.ring_model == done.old.ring_model is not None
    assert done.bundle.network is not None
    assert done.rows > 0


def test_a_history_whose_scores_nobody_has_counts_as_without(trained):
    _, found = trained
    rows = found.features[found.result.split.calibration.rows]
    missing = rows.copy()
    missing[:, -1] = np.nan
    np.testing.assert_array_equal(found.bundle.score(rows[:, :-1]), found.bundle.score(missing))
    assert (found.bundle.score(rows) != found.bundle.score(missing)).any()
    assert replace(found.bundle, network=None).whole(rows) is rows

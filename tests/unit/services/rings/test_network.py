"""Ring models end to end on a small simulation: trained, held to account, embedded, served."""

import msgspec
import numpy as np
import pandas as pd
import pytest

pytest.importorskip("torch")

import torch

from features.catalogue import NAMES
from features.errors import BundleError, ConfigurationError
from features.replay import replay
from features.stores.memory_embeddings import MemoryEmbeddings
from features.table import transactions
from models.rings.bundle import ENCODER, HEAD, MANIFEST, load_ring_bundle
from models.rings.graph import build_graph
from models.rings.live import LiveScorer
from models.rings.scorer import HeadScorer, entity_keys
from models.rings.stored import ModelEmbeddings
from models.rings.training import restored_encoder
from services.rings import network as rings
from services.rings.embedding import embed_rings
from services.rings.network import evaluate_rings, served_ring_model, train_rings
from services.state_directory import open_state
from streaming.simulator import CampaignMix, Scenario, simulate

CPU = torch.device("cpu")


def silent(_what):
    return lambda done, total: None


@pytest.fixture(scope="module")
def simulation():
    return simulate(Scenario(transactions=5000, fraud_rate=0.1, campaigns=CampaignMix(mule_ring=1.0), seed=3))


@pytest.fixture(scope="module")
def trained(simulation, tmp_path_factory):
    state = open_state(tmp_path_factory.mktemp("rings") / "state")
    return state, train_rings(state, simulation.transactions, epochs=1, device=CPU, step=silent)


def test_stored_embeddings_score_as_live_sampling_does(simulation, trained):
    """What the batch stage stored just before a payment is what sampling finds around it."""
    _, bundle = trained
    table = simulation.transactions
    recent = table.iloc[-40:]
    as_of = recent["event_time"].iloc[0]
    recent = recent.assign(event_time=as_of)
    store = MemoryEmbeddings()
    told = embed_rings(bundle, table, store, as_of=as_of, device=CPU, step=silent)
    assert told["embeddings"] > 100
    features = replay(table).features[-40:]
    payments = list(transactions(recent))
    embeddings, run = ModelEmbeddings(store, bundle.version).read(entity_keys(payments))
    assert run == as_of.floor("s")
    stored = HeadScorer(bundle.head, NAMES).score(payments, features, embeddings)
    past = build_graph(table[table["event_time"] < as_of])
    live = LiveScorer(restored_encoder(bundle.encoder, CPU), bundle.head, past, NAMES).score(payments, features, {})
    np.testing.assert_allclose(stored, live, rtol=1e-3, atol=1e-6)
    assert len(np.unique(live)) > 10


def test_a_later_run_needs_only_what_changed(simulation, trained):
    _, bundle = trained
    table = simulation.transactions
    middle = table["event_time"].iloc[4000]
    later = middle + pd.Timedelta(hours=2)
    whole, parts = MemoryEmbeddings(), MemoryEmbeddings()
    everything = embed_rings(bundle, table, whole, as_of=later, device=CPU, step=silent)
    with pytest.raises(ConfigurationError, match="not in the store"):
        embed_rings(bundle, table, parts, as_of=later, since=middle, device=CPU, step=silent)
    embed_rings(bundle, table, parts, as_of=middle, device=CPU, step=silent)
    some = embed_rings(bundle, table, parts, as_of=later, since=middle, device=CPU, step=silent)
    assert 0 < some["embeddings"] < everything["embeddings"]
    cards = table["card_id"].iloc[:4000].astype(str).unique().tolist()
    first, second = whole.read({"card": cards})["card"], parts.read({"card": cards})["card"]
    assert first.keys() == second.keys()
    for key, embedding in first.items():
        np.testing.assert_allclose(second[key].vector, embedding.vector, rtol=1e-4, atol=1e-5)


def test_a_trained_model_is_not_served_until_the_gate_is_asked(trained):
    state, bundle = trained
    assert served_ring_model(state) is None
    (state.ring_models / rings.POINTER).write_bytes(msgspec.json.encode(rings.Served(bundle.version)))
    with pytest.raises(BundleError, match="has not passed the gate"):
        served_ring_model(state)
    (state.ring_models / rings.POINTER).unlink()


def test_a_network_on_shuffled_edges_is_refused_and_what_passes_is_served(simulation, tmp_path, monkeypatch):
    state = open_state(tmp_path / "state")
    options = {"epochs": 1, "rounds": 10, "resamples": 50, "device": CPU, "step": silent, "shuffle_edges": True}
    found = evaluate_rings(state, simulation.transactions, campaigns=simulation.truth, **options)
    assert found.shuffled is not None
    assert not found.shuffled.passed
    assert (found.bundle is not None) == found.report.passed
    if not found.report.passed:
        assert served_ring_model(state) is None
    passing = rings.compare

    def lenient(*arguments, **named):
        report = passing(*arguments, **named)
        return msgspec.structs.replace(
            report, checks=tuple(msgspec.structs.replace(one, passed=True) for one in report.checks)
        )

    monkeypatch.setattr(rings, "compare", lenient)
    options["shuffle_edges"] = False
    found = evaluate_rings(state, simulation.transactions, campaigns=simulation.truth, **options)
    served = served_ring_model(state)
    assert served is not None
    assert served.version == found.bundle.version
    assert served.passed


@pytest.mark.parametrize("name", [MANIFEST, ENCODER, HEAD])
def test_a_changed_file_is_refused_by_name(trained, tmp_path, name):
    state, bundle = trained
    copy = tmp_path / bundle.version
    copy.mkdir()
    for file in (MANIFEST, ENCODER, HEAD):
        (copy / file).write_bytes((state.ring_models / bundle.version / file).read_bytes())
    assert load_ring_bundle(copy).version == bundle.version
    content = bytearray((copy / name).read_bytes())
    content[-20 if name == MANIFEST else -3] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(BundleError, match=name.replace(".", r"\.")):
        load_ring_bundle(copy)

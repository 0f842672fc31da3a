"""Ring scores sampled live, over a graph that follows the ledger, in decisions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event as Flag

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("torch")

import torch

from features.catalogue import NAMES
from features.errors import BundleError, ConfigurationError, LedgerUnavailable
from features.events import first_seq, source_of
from features.replay import replay
from features.table import transactions
from models.rings.graph import build_graph
from models.rings.live import LiveScorer
from models.rings.scorer import HeadScorer, ServedNetwork
from models.rings.training import restored_encoder
from services.composition import Root
from services.rings.live import LiveScores
from services.rings.network import train_rings
from services.settings import Settings
from services.state_directory import open_state
from streaming.network_stage import NetworkStage
from streaming.simulator import CampaignMix, Scenario, simulate
from tests.unit.models.rings.events import labels_of, payments_of
from tests.unit.services.rings.test_finding import Events

CPU = torch.device("cpu")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RECENT = 40
LABELS, PAYMENTS = 1, 2  # sources, in the order in which they are read


def silent(_what):
    return lambda _done, _total: None


@pytest.fixture(scope="module")
def table():
    return simulate(
        Scenario(transactions=3000, fraud_rate=0.1, campaigns=CampaignMix(mule_ring=1.0), seed=5)
    ).transactions


@pytest.fixture(scope="module")
def trained(table, tmp_path_factory):
    state = open_state(tmp_path_factory.mktemp("live") / "state")
    return state, train_rings(state, table, epochs=1, device=CPU, step=silent)


@pytest.fixture
def network(trained):
    return ServedNetwork(trained[1].version, HeadScorer(trained[1].head, NAMES))


class GrowingLedger(Events):
    """A ledger that can be added to, and that may be away; labels have a source before that of payments."""

    def __init__(self):
        super().__init__([])
        self.fault = None
        self.cut_off = self.was_cut_off = False
        self.closed = False

    def add(self, payments=(), labels=()):
        for source, new in ((LABELS, labels), (PAYMENTS, payments)):
            before = sum(source_of(event.seq) == source for event in self.events)
            self.events += [replace(one, seq=seq) for seq, one in enumerate(new, first_seq(source) + 1 + before)]

    def sources(self):
        if self.fault:
            raise self.fault
        return super().sources()

    def events_after(self, seq, limit):
        if self.cut_off and source_of(seq) == PAYMENTS:
            self.was_cut_off = True
            raise LedgerUnavailable("away in the middle")
        own = [event for event in self.events if source_of(event.seq) == source_of(seq)]
        done = seq - first_seq(source_of(seq))
        return own[done : done + limit]

    def close(self):
        self.closed = True


@pytest.fixture
def open_live(trained):
    opened = []

    def open_live(ledger, **options):
        options = {"keep": 100_000, "device": "cpu", "look_every_s": 0.005, "clock": lambda: NOW} | options
        opened.append(LiveScores(trained[0].ring_models, ledger, **options))
        return opened[-1]

    yield open_live
    for live in opened:
        live.close()


@pytest.fixture
def recent(table):
    """The newest payments, and their features."""
    return list(transactions(table.iloc[-RECENT:])), replay(table).features[-RECENT:]


@pytest.fixture
def knows_the_past(table, network, recent, open_live):
    """Wait until one scores as another does that has seen all before the newest payments from the start."""
    past, whole = table.iloc[:-RECENT], GrowingLedger()
    whole.add(payments_of(past), labels_of(past))
    expected, _ = open_live(whole).score(network, *recent)

    def wait(live):
        while (found := live.score(network, *recent)) is None or (found[0] != expected).any():
            Flag().wait(0.01)

    return wait


def test_scores_are_those_of_the_whole_history(table, trained, network, recent, open_live):
    _, bundle = trained
    past = table.iloc[:-RECENT]
    ledger = GrowingLedger()
    ledger.add(payments_of(past), labels_of(past))
    live = open_live(ledger)
    live.warm_up(network)
    scores, as_of = live.score(network, *recent)
    graph = build_graph(past)
    expected = LiveScorer(restored_encoder(bundle.encoder, CPU), bundle.head, graph, NAMES).score(*recent, {})
    np.testing.assert_array_equal(scores, expected)
    assert as_of == NOW
    assert len(np.unique(scores)) > RECENT // 2


def test_the_graph_follows_the_ledger(table, network, recent, open_live, knows_the_past):
    past, ledger = table.iloc[:-RECENT], GrowingLedger()
    live = open_live(ledger)
    assert live.score(network, *recent) is None
    ledger.add(labels=labels_of(past))  # seen before their payments
    ledger.add(payments_of(past))
    knows_the_past(live)


def test_a_ledger_that_is_away_leaves_the_graph_and_its_age(table, network, open_live):
    moments = [NOW]
    ledger = GrowingLedger()
    ledger.add(payments_of(table.iloc[:500]))
    live = open_live(ledger, clock=lambda: moments[-1])
    ledger.fault = LedgerUnavailable("away")
    Flag().wait(0.05)
    moments.append(NOW + timedelta(minutes=11))
    payments, features = list(transactions(table.iloc[500:502])), np.zeros((2, len(NAMES)), np.float32)
    assert live.score(network, payments, features)[1] == NOW
    stage = NetworkStage(lambda: live, 30.0, timedelta(minutes=10))
    assert stage.score(network, payments, features, moments[-1]) is None
    ledger.fault = None
    while stage.score(network, payments, features, moments[-1]) is None:
        Flag().wait(0.01)


def test_labels_seen_before_the_ledger_went_away_are_not_forgotten(table, open_live, knows_the_past):
    past, ledger = table.iloc[:-RECENT], GrowingLedger()
    live = open_live(ledger)
    ledger.cut_off = True  # after the source of the labels has been read
    ledger.add(payments_of(past), labels_of(past))
    while not ledger.was_cut_off:
        Flag().wait(0.005)
    ledger.cut_off = False
    knows_the_past(live)


def test_a_ledger_that_is_away_at_the_start_is_tried_again_with_the_next_payment(table, network, open_live):
    ledger = GrowingLedger()
    ledger.add(payments_of(table.iloc[:500]))
    ledger.fault = LedgerUnavailable("away")
    stage = NetworkStage(lambda: open_live(ledger), 30.0)
    stage.warm_up(network)
    payments, features = list(transactions(table.iloc[500:502])), np.zeros((2, len(NAMES)), np.float32)
    assert stage.score(network, payments, features, NOW) is None
    ledger.fault = None
    assert stage.score(network, payments, features, NOW).shape == (2,)


def test_a_network_that_is_not_there_is_told(table, open_live, network):
    ledger = GrowingLedger()
    ledger.add(payments_of(table.iloc[:500]))
    with pytest.raises(BundleError):
        open_live(ledger).warm_up(ServedNetwork("rings-0123456789ab", network.scorer))


def test_a_hub_of_100_000_payments_is_read_within_bounds(table, network, open_live):
    """All payments of a city on one address: it is no evidence, and costs no more than any other."""
    crowd = table.iloc[np.arange(100_000) % len(table)].assign(
        transaction_id=[f"t{n}" for n in range(100_000)],
        card_id=[f"c{n % 9000}" for n in range(100_000)],
        ip="hub",
        event_time=table["event_time"].iloc[0] + pd.to_timedelta(np.arange(100_000), unit="s"),
    )
    ledger = GrowingLedger()
    ledger.add(payments_of(crowd))
    payments, features = list(transactions(crowd.iloc[-3:])), replay(crowd.iloc[-3:]).features
    scores, _ = open_live(ledger).score(network, payments, features)
    assert np.isfinite(scores).all()


def test_closing_ends_the_thread_and_the_ledger(table, trained):
    ledger = GrowingLedger()
    live = LiveScores(trained[0].ring_models, ledger, keep=10, device="cpu")
    live.close()
    assert ledger.closed


def test_live_scores_need_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr("services.extras.find_spec", lambda _name: None)
    with pytest.raises(ConfigurationError, match="gnn"):
        Root(Settings(gnn="live"), open_state(tmp_path / "state")).network()

"""Rings and embeddings kept up to date by the clock: what is done when, and what becomes of rounds that fail."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event as Flag

import pandas as pd
import pytest

pytest.importorskip("torch")

import torch

from features.errors import ConfigurationError, DataError, StoreUnavailable
from features.events import first_seq
from features.stores.memory_embeddings import MemoryEmbeddings
from models.rings.stored import ModelEmbeddings
from monitoring.metrics import Metrics
from services.composition import Root
from services.rings import embedding as ring_embedding
from services.rings import refresh as ring_refresh
from services.rings.finding import known_rings
from services.rings.network import train_rings
from services.rings.refresh import Job, by_the_clock, embed_job, find_job
from services.settings import Settings
from services.state_directory import open_state
from streaming.simulator import CampaignMix, Scenario, simulate
from tests.unit.models.rings.events import labels_of, payments_of
from tests.unit.services.rings.test_finding import Events

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)


def silent(_what):
    return lambda _done, _total: None


class Ledger(Events):
    def close(self):
        pass


class FakeRoot(Root):
    """A root whose ledger and embeddings are in memory."""

    def __init__(self, path):
        super().__init__(Settings(), open_state(path))
        self.events, self.store, self.away = [], MemoryEmbeddings(), None

    def ledger(self):
        return Ledger(self.events)

    def embeddings(self):
        if self.away:
            raise self.away
        return self.store


@pytest.fixture
def root(tmp_path):
    return FakeRoot(tmp_path / "state")


@pytest.fixture(scope="module")
def table():
    return simulate(
        Scenario(transactions=1500, fraud_rate=0.1, campaigns=CampaignMix(mule_ring=1.0), seed=6)
    ).transactions


@pytest.fixture(scope="module")
def networks(table, tmp_path_factory):
    """Two ring models."""
    state = open_state(tmp_path_factory.mktemp("networks") / "state")
    return [train_rings(state, table, epochs=1, seed=seed, device=torch.device("cpu"), step=silent) for seed in (0, 1)]


@pytest.fixture
def clock(monkeypatch):
    """What the time is: a list whose last entry counts."""
    moments = [BEGIN]
    monkeypatch.setattr(ring_refresh, "utc_now", lambda: moments[-1])
    return moments


def value(metrics, name, job):
    return metrics.registry.get_sample_value(name, {"job": job})


def test_jobs_come_again_in_their_own_time_and_failures_sooner():
    stop, metrics, done = Flag(), Metrics(), []

    def often():
        done.append("often")
        if done.count("often") == 5:
            stop.set()
        return {}

    def fails():
        done.append("fails")
        if done.count("fails") == 1:
            raise StoreUnavailable("away")
        if done.count("fails") == 2:
            raise ValueError("a surprise")
        return {}

    def waits():
        done.append("waits")
        raise DataError("nothing there")

    jobs = [Job("often", 0.05, often), Job("fails", 3600, fails), Job("waits", 3600, waits)]
    by_the_clock(jobs, metrics, stop, retry_s=0.02)
    assert done.count("fails") == 3  # twice again at once, then not for an hour
    assert done.count("waits") > 1
    assert value(metrics, "fraud_rings_refresh_failures_total", "fails") == 2
    assert value(metrics, "fraud_rings_refreshed_timestamp_seconds", "fails") > 0
    assert value(metrics, "fraud_rings_refreshed_timestamp_seconds", "waits") is None


def test_a_stop_does_not_wait_for_the_next_round():
    stop = Flag()
    by_the_clock([Job("once", 3600, lambda: stop.set() or {})], Metrics(), stop)


def now(table):
    """The moment after the last payment."""
    return (table["event_time"].iloc[-1] + pd.Timedelta(1, "s")).to_pydatetime()


def test_rings_are_found_in_the_ledger_as_of_now(root, table, clock):
    job = find_job(root, 6)
    assert job.every_s == 6 * 3600
    with pytest.raises(DataError, match="no transactions"):
        job.work()
    root.events = [*payments_of(table)]
    clock.append(now(table))
    told = job.work()
    assert known_rings(root.state).at == clock[-1]
    assert told["transactions"] == len(table)


def taken_in(table):
    """Payments by one source and labels by another."""
    labels = [replace(label, seq=seq) for seq, label in enumerate(labels_of(table), first_seq(3) + 1)]
    return payments_of(table) + labels


def test_embeddings_are_whole_first_and_then_what_has_changed(root, table, networks, clock, monkeypatch):
    monkeypatch.setattr(ring_embedding, "needed_ring_model", lambda _state: networks[0])
    job = embed_job(root, 1, "cpu")
    early = table.iloc[:-15]
    root.events = taken_in(early)
    clock.append(now(early))
    first = job.work()
    assert (first["everything"], first["model"]) == (True, networks[0].version)
    root.events = taken_in(table)
    clock.append(now(table))
    assert not job.work()["everything"]
    whole = FakeRoot(root.state.path / "whole")
    whole.events = root.events
    embed_job(whole, 1, "cpu").work()
    keys = {"card": table["card_id"].astype(str).unique().tolist()}
    ours, theirs = (ModelEmbeddings(one.store, networks[0].version).read(keys) for one in (root, whole))
    assert ours[1] == theirs[1]
    assert ours[0]["card"].keys() == theirs[0]["card"].keys()
    for key, embedding in theirs[0]["card"].items():
        assert ours[0]["card"][key].vector == pytest.approx(embedding.vector, rel=1e-4, abs=1e-5)


def test_where_nothing_happens_nothing_is_computed(root, table, networks, clock, monkeypatch):
    monkeypatch.setattr(ring_embedding, "needed_ring_model", lambda _state: networks[0])
    job = embed_job(root, 1, "cpu")
    root.events = payments_of(table)
    clock.append(now(table))
    assert job.work()["embeddings"] > 100
    clock.append(now(table) + timedelta(days=3))
    job.work()
    clock.append(clock[-1] + timedelta(hours=3))
    assert job.work()["embeddings"] == 0
    assert ModelEmbeddings(root.store, networks[0].version).read({})[1] == clock[-1].replace(microsecond=0)


def test_another_network_and_a_failure_begin_anew(root, table, networks, clock, monkeypatch):
    served = [None]
    monkeypatch.setattr(ring_embedding, "needed_ring_model", lambda _state: served[-1])
    job = embed_job(root, 1, "cpu")
    with pytest.raises(DataError, match="No ring model"):
        job.work()
    root.events = taken_in(table)
    clock.append(now(table))
    served.append(networks[0])
    root.away = StoreUnavailable("away")
    with pytest.raises(StoreUnavailable):
        job.work()
    root.away = None
    assert job.work()["everything"]
    assert not job.work()["everything"]
    served.append(networks[1])
    assert job.work()["everything"]


def test_refreshing_needs_the_extra(root, monkeypatch):
    monkeypatch.setattr("services.extras.find_spec", lambda _name: None)
    with pytest.raises(ConfigurationError, match="gnn"):
        embed_job(root, 1, "cpu")

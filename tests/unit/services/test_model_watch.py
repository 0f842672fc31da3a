"""Swapping under load: every decision is exactly what the model and the policy that it names would have decided."""

import shutil
import threading
from datetime import timedelta
from time import monotonic, sleep

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from features.engine import FeatureEngine
from features.events import TransactionEvent
from features.stores.memory import MemoryStore
from features.transaction import Transaction
from models.calibrated_model import CalibratedModel
from models.policy import save_policy
from monitoring.metrics import Metrics
from services.champion import bundle_of, policy_file, policy_of, served
from services.model_watch import ModelWatch
from services.registry import change_registry
from services.state_directory import open_state
from streaming.scoring import Scoring
from tests.unit.services.trained import NOW, install_editions, policy

ENGINE = FeatureEngine()
BATCH = 16


class World:
    def __init__(self, path):
        self.state = open_state(path)
        self.versions = install_editions(self.state, 3)
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)
        self.scoring = Scoring(ENGINE, MemoryStore(), *served(self.state), clock=lambda: NOW)
        self.watch = ModelWatch(self.state, self.scoring, self.metrics, interval_s=0.005)

    def make_champion(self, version):
        change_registry(
            self.state, lambda before: before.changed("champion", version, at=NOW, action="promote", reason="test")
        )

    def swaps(self, outcome):
        return self.registry.get_sample_value("fraud_model_swaps_total", {"outcome": outcome})

    def info(self, version):
        labels = {
            "model_version": version,
            "policy_version": policy_of(self.state, version).version,
            "family": "lightgbm",
        }
        return self.registry.get_sample_value("fraud_model_info", labels)

    @property
    def in_use(self):
        return self.scoring.bundle.version, self.scoring.policy.number


@pytest.fixture
def world(tmp_path):
    return World(tmp_path / "state")


def batch(number):
    return [
        TransactionEvent(
            number * BATCH + n + 1,
            Transaction(
                transaction_id=f"t{number}-{n}",
                event_time=NOW + timedelta(seconds=number),
                card_id=f"card-{n}",
                merchant_id="shop",
                amount=5.0 * (n + 1),
                currency="EUR",
            ),
        )
        for n in range(BATCH)
    ]


def test_a_promotion_and_a_rollback_change_model_and_policy_together(world):
    first, second, _ = world.versions
    world.watch.look()
    assert world.in_use == (first, 1)
    assert (world.swaps("swapped"), world.info(first)) == (0, 1)
    for version, edition in ((second, 2), (first, 1)):
        world.make_champion(version)
        world.watch.look()
        assert world.in_use == (version, edition)
        assert world.info(version) == 1
    assert world.info(second) is None
    assert (world.swaps("swapped"), world.swaps("refused")) == (2, 0)


def test_an_edited_policy_is_taken_into_service(world):
    first = world.versions[0]
    world.watch.look()
    save_policy(policy_file(world.state, first), policy(9))
    world.watch.look()
    assert world.in_use == (first, 9)


def cut_file(bundle):
    path = bundle / "model.txt"
    path.write_bytes(path.read_bytes()[:-1])


def swap_probes(bundle):
    path = bundle / "probes.json"
    path.write_bytes(path.read_bytes().replace(b"0", b"1", 1))


DAMAGES = {
    "a model file cut short": cut_file,
    "other probes": swap_probes,
    "no manifest": lambda bundle: (bundle / "manifest.json").unlink(),
    "no bundle": shutil.rmtree,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_bundle_is_never_taken_and_not_tried_again_until_something_changes(world, damage, tmp_path):
    first, second, _ = world.versions
    world.watch.look()
    shutil.copytree(world.state.bundles / second, tmp_path / "backup")
    damage(world.state.bundles / second)
    world.make_champion(second)
    for _ in range(3):
        world.watch.look()
    assert world.in_use == (first, 1)
    assert (world.swaps("swapped"), world.swaps("refused")) == (0, 1)
    assert world.info(first) == 1
    shutil.rmtree(world.state.bundles / second, ignore_errors=True)
    shutil.copytree(tmp_path / "backup", world.state.bundles / second)
    world.watch.look()
    assert world.in_use == (second, 2)


def test_a_bundle_that_fails_its_smoke_test_is_never_taken(world, monkeypatch):
    first, second, _ = world.versions
    world.watch.look()
    log_odds = CalibratedModel.log_odds
    # A library that rounds differently, or a processor with a fault.
    monkeypatch.setattr(CalibratedModel, "log_odds", lambda model, features: log_odds(model, features) + 1e-3)
    world.make_champion(second)
    world.watch.look()
    assert world.in_use == (first, 1)
    assert world.swaps("refused") == 1


def test_a_model_that_a_library_chokes_on_is_never_taken(world, monkeypatch):
    def choke(*_):
        raise RuntimeError("unexpected tree")

    first, second, _ = world.versions
    world.watch.look()
    monkeypatch.setattr(CalibratedModel, "explain", choke)
    world.make_champion(second)
    world.watch.look()
    assert world.in_use == (first, 1)
    assert world.swaps("refused") == 1


@pytest.mark.parametrize("spoil", ["registry", "policy", "no registry"])
def test_a_damaged_registry_or_policy_changes_nothing(world, spoil):
    first, second, _ = world.versions
    world.watch.look()
    match spoil:
        case "registry":
            world.state.registry.write_text("{")
        case "no registry":
            world.state.registry.unlink()
        case "policy":
            policy_file(world.state, second).write_text('{"review": 2}')
            world.make_champion(second)
    for _ in range(2):
        world.watch.look()
    assert world.in_use == (first, 1)
    assert world.swaps("refused") == 1


def test_a_new_challenger_costs_no_loading(world, monkeypatch):
    world.watch.look()
    monkeypatch.setattr("services.model_watch.served", lambda *_: pytest.fail("loaded again"))
    change_registry(
        world.state,
        lambda before: before.changed("challenger", world.versions[1], at=NOW, action="install", reason="trained"),
    )
    world.watch.look()


def test_what_was_promoted_while_the_process_warmed_up_is_taken_at_once(world):
    world.make_champion(world.versions[1])
    with world.watch:
        assert world.in_use == (world.versions[1], 2)


def test_the_watch_outlives_what_nobody_expected(world, monkeypatch):
    def fail(*_):
        raise RuntimeError("out of the blue")

    with world.watch:
        with monkeypatch.context() as patched:
            patched.setattr("services.model_watch.champion_version", fail)
            world.make_champion(world.versions[1])
            sleep(0.05)
        world.make_champion(world.versions[2])
        deadline = monotonic() + 30
        while world.in_use[0] != world.versions[2] and monotonic() < deadline:
            sleep(0.005)
        assert world.in_use == (world.versions[2], 3)


def test_every_decision_under_swapping_is_that_of_the_model_it_names(world):
    ENGINE.warm_up()
    done = threading.Event()
    batches = []

    def promote_in_turns():
        for number in range(12):
            target = world.versions[(number + 1) % 3]
            world.make_champion(target)
            deadline = monotonic() + 30
            while (not batches or batches[-1][0].model_version != target) and monotonic() < deadline:
                sleep(0.001)
        done.set()

    with world.watch:
        operator = threading.Thread(target=promote_in_turns)
        operator.start()
        while not done.is_set():
            batches.append(world.scoring.decide(batch(len(batches))).decisions)
        operator.join()
    assert world.swaps("swapped") == 12
    bundles = {version: bundle_of(world.state, version) for version in world.versions}
    policies = {version: policy_of(world.state, version) for version in world.versions}
    for decisions in batches:
        (version,) = {decision.model_version for decision in decisions}  # no micro-batch mixes two models
        rows = np.array([list(decision.features.values()) for decision in decisions], dtype=np.float32)
        assert [decision.score for decision in decisions] == bundles[version].score(rows).tolist()
        assert {decision.policy_version for decision in decisions} == {policies[version].version}
    assert {decisions[0].model_version for decisions in batches} == set(world.versions)

"""Promotion, rollback and a damaged bundle under load, in the processes as they are deployed.

Whatever happens to the champion meanwhile, every payment gets exactly one decision, and every decision is bit by bit
that of the model and the policy it names.
"""

import os
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep

import httpx
import msgspec
import numpy as np
import pytest

from features.catalogue import NAMES
from features.codec import encode_transaction
from features.engine import FeatureEngine
from features.transaction import Transaction
from models.decision import Decision
from models.gate_report import Check, GateReport
from services import system
from services.auth import load_or_create_token
from services.champion import bundle_of, policy_of
from services.promotion import promote
from services.state_directory import open_state
from services.system import System
from streaming.broker import DECISIONS, TOPICS, TRANSACTIONS
from streaming.brokers.clients import connect
from streaming.brokers.process import free_port
from streaming.brokers.tansu import start_tansu
from streaming.ledgers.sql import open_ledger
from tests.unit.services.trained import install_editions

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]
START = datetime(2029, 3, 1, tzinfo=UTC)
PATIENCE_S = 120.0
START_S = 400.0
PROCESSES = ("worker", "score", "explain")
ROOT = Path(__file__).parents[2]


class World:
    """The three processes, payments coming in over both ways, and what came out."""

    def __init__(self, path, stack):
        self.state = open_state(path)
        self.versions = install_editions(self.state, 3)
        self.token, _ = load_or_create_token(self.state.token)
        bootstrap = stack.enter_context(start_tansu(path / "tansu")).bootstrap
        self.broker = connect(bootstrap, "kafka-python")
        stack.callback(self.broker.close)
        self.broker.ensure_topics(dict.fromkeys(TOPICS, 1))
        environment = {
            "RINGFENCE_STATE": str(path),
            "KAFKA_BOOTSTRAP": bootstrap,
            "RINGFENCE_PARTITIONS": "1",
            "RINGFENCE_ALLOW_PAST_AND_FUTURE": "true",
            "RINGFENCE_STORE_TIMEOUT_MS": "2000",
            "PYTHONPATH": str(ROOT),
        }
        self.environment = os.environ | environment
        FeatureEngine().warm_up()
        self.system = stack.enter_context(
            System(environment, self.state.logs, {name: free_port() for name in PROCESSES})
        )
        self.streamed, self.requested, self.answers = [], [], {}
        self.decided = []  # (decision, whether it is a repetition), as they come out
        self.stop = Event()
        self.failures = []
        self.threads = [Thread(target=self._guard, args=(work,)) for work in (self._send, self._ask)]
        self.reader = Thread(target=self._guard, args=(self._read,))
        self.stop_reading = Event()

    def _guard(self, work):
        try:
            work()
        except Exception as error:
            self.failures.append(error)
            raise

    def payment(self, name, number):
        return Transaction(
            transaction_id=f"{name}-{number}",
            event_time=START + timedelta(seconds=number),
            card_id=f"card-{number % 17}",
            merchant_id=f"shop-{number % 5}",
            amount=5.0 + number % 90,
            currency="EUR",
        )

    def _send(self):
        with closing(self.broker.producer()) as producer:
            while not self.stop.is_set():
                for _ in range(4):
                    payment = self.payment("stream", len(self.streamed))
                    producer.send(TRANSACTIONS, encode_transaction(payment), key=payment.card_id.encode())
                    self.streamed.append(payment.transaction_id)
                producer.flush()
                sleep(0.05)

    def _ask(self):
        with httpx.Client(headers={"Authorization": f"Bearer {self.token}"}, timeout=30) as client:
            while not self.stop.is_set():
                payment = self.payment("rest", len(self.requested))
                answer = client.post(f"{self.system.url('score')}/v1/score", content=encode_transaction(payment))
                assert answer.status_code == 200, answer.text
                self.requested.append(payment.transaction_id)
                self.answers[payment.transaction_id] = msgspec.json.decode(answer.content, type=Decision)
                sleep(0.05)

    def _read(self):
        consumer = self.broker.consumer([DECISIONS], "test-reader")
        while not self.stop_reading.is_set():
            for record in consumer.poll(0.1, 500):
                repeated = any(name == "repeated" for name, _ in record.headers)
                self.decided.append((msgspec.json.decode(record.value, type=Decision), repeated))
        consumer.close()

    def wait(self, what, condition):
        deadline = monotonic() + PATIENCE_S
        while not condition():
            assert not self.failures, self.failures
            self.system.check()
            assert monotonic() < deadline, f"not within {PATIENCE_S} s: {what}"
            sleep(0.05)

    def wait_until_both_decide_by(self, version):
        def reached():
            streamed = [one for one, _ in self.decided[-50:] if one.transaction_id.startswith("stream")]
            asked = self.requested[-1:]
            return (
                bool(streamed and asked)
                and streamed[-1].model_version == version
                and self.answers[asked[0]].model_version == version
            )

        self.wait(f"both decide by {version}", reached)

    def metric(self, process, line):
        answer = httpx.get(f"{self.system.url(process)}/metrics", headers={"Authorization": f"Bearer {self.token}"})
        return next((float(text.split()[-1]) for text in answer.text.splitlines() if text.startswith(line)), None)

    def command(self, *arguments):
        command = [sys.executable, "-m", "services.cli", *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def explain(self, transaction_id):
        answer = httpx.post(
            f"{self.system.url('explain')}/v1/explain",
            json={"transaction_id": transaction_id},
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=30,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()


def passed(candidate, champion):
    check = Check(name="better", passed=True, value=1.0, bound=0.0, sentence="Better.")
    return GateReport(candidate=candidate, champion=champion, data="test", checks=(check,))


def test_a_promotion_a_rollback_and_a_damaged_bundle_under_load(tmp_path, monkeypatch):
    monkeypatch.setattr(system, "START_S", START_S)  # a busy machine takes its time to import Feast three times
    with ExitStack() as stack:
        world = World(tmp_path / "state", stack)
        first, second, third = world.versions
        try:
            world.reader.start()
            for thread in world.threads:
                thread.start()
            world.wait_until_both_decide_by(first)
            promote(world.state, passed(second, first), reason="better")
            world.wait_until_both_decide_by(second)
            world.command("model", "rollback", "--reason", "too many alarms")
            world.wait_until_both_decide_by(first)
            damaged = world.state.bundles / third / "model.txt"
            damaged.write_bytes(damaged.read_bytes().replace(b"leaf_value=", b"leaf_value=9", 1))
            promote(world.state, passed(third, first), reason="by mistake")
            for process in PROCESSES:
                refused = 'fraud_model_swaps_total{outcome="refused"}'
                world.wait(f"{process} refuses", lambda p=process, line=refused: world.metric(p, line) == 1)
            seen = len(world.decided), len(world.requested)
            world.wait("both go on", lambda: len(world.decided) > seen[0] + 20 and len(world.requested) > seen[1] + 5)
            world.wait_until_both_decide_by(first)
        finally:
            world.stop.set()
            for thread in world.threads:
                thread.join(60)
        expected = {*world.streamed, *world.requested}
        world.wait("every decision came out", lambda: {one.transaction_id for one, _ in world.decided} >= expected)
        for process in PROCESSES:
            assert world.metric(process, 'fraud_model_swaps_total{outcome="swapped"}') == 2
            assert world.metric(process, f'fraud_model_info{{family="lightgbm",model_version="{first}"') == 1
        by_second = next(one for one, _ in world.decided if one.model_version == second)
        assert world.explain(by_second.transaction_id)["model_version"] == second
        assert world.explain(world.streamed[-1])["model_version"] == first
        world.stop_reading.set()
        world.reader.join(30)
    check_decisions(world, expected)


def check_decisions(world, expected):
    """Nothing lost, nothing decided twice, and everything as the named model and policy decide."""
    assert not world.failures
    ledger = open_ledger(f"sqlite:///{world.state.ledger}")
    found = {key: recorded.decision for key, recorded in ledger.find(sorted(expected)).items()}
    assert ledger.count() == len(expected)
    ledger.close()
    assert found.keys() == expected
    counts = Counter(one.transaction_id for one, repeated in world.decided if not repeated)
    assert counts == Counter(dict.fromkeys(expected, 1))
    for decision in [*(one for one, _ in world.decided), *world.answers.values()]:
        assert decision == found[decision.transaction_id]
    first, second, _ = world.versions
    assert {decision.model_version for decision in found.values()} == {first, second}
    for version in (first, second):
        bundle, policy = bundle_of(world.state, version), policy_of(world.state, version)
        made = [decision for decision in found.values() if decision.model_version == version]
        rows = np.array([[one.features[name] for name in NAMES] for one in made], dtype=np.float32)
        assert [decision.score for decision in made] == bundle.score(rows).tolist()
        assert {decision.policy_version for decision in made} == {policy.version}
        for decision in made:
            amount = decision.features["amount"]
            assert decision.decision == policy.decide(decision.score, amount, decision.degraded)

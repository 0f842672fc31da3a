"""`ringfence benchmark stream`, `baseline` and `rest` on real Kafka and Redis: everything sent is decided, once."""

import json
import os

import pytest
from typer.testing import CliRunner

from services import system
from services.benchmarks.live import prepared, rest, stream
from services.champion import champion
from services.cli.app import app
from services.demo import source
from services.state_directory import open_state
from services.training import train_and_install
from streaming.simulator import CampaignMix, Scenario, simulate
from tests.integration.redis_server import require_redis
from tests.unit.services.rings.gate import ask

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def benchmark(tmp_path, monkeypatch):
    """Run `ringfence benchmark` on a small history; what it returns is the JSON object that it printed."""
    require_redis()
    if not os.environ.get("KAFKA_HOME"):
        (pytest.fail if os.environ.get("CI") else pytest.skip)("KAFKA_HOME is not set")
    for name in ("KAFKA_BOOTSTRAP", "REDIS_URL", "LEDGER_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(system, "START_S", 600.0)  # a busy machine takes its time to import Feast
    monkeypatch.setattr(source, "HISTORY", 8_000)
    monkeypatch.setattr(source, "PER_DAY", 100)  # long enough for labels to be known
    monkeypatch.setattr(source, "FRAUD_RATE", 0.03)
    monkeypatch.setattr(prepared, "PAYMENTS", 1_000)
    monkeypatch.setattr(stream, "WARM_UP_S", 1.0)
    monkeypatch.setattr(rest, "WARM_UP_S", 1.0)

    def run(*arguments):
        done = CliRunner().invoke(app, ["benchmark", *arguments, "--state", str(tmp_path / "state"), "--json"])
        assert done.exit_code == 0, done.output + repr(done.exception)
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_a_model_of_the_user_is_measured_with_its_ring_head(benchmark, tmp_path):
    rings = simulate(Scenario(transactions=3000, fraud_rate=0.1, campaigns=CampaignMix(mule_ring=1.0), seed=3))
    state = open_state(tmp_path / "state")
    mine = train_and_install(state, rings.transactions, ask_network=ask(state, rings, lenient=True)).bundle

    streamed = benchmark("stream", "--rate", "50", "--seconds", "4", "--model", "champion")
    assert (streamed["model"], streamed["ring_model"]) == (mine.version, mine.ring_model)
    assert (streamed["decided"], streamed["lost"]) == (200, 0)
    assert streamed["degraded"] < 200
    assert streamed["stage_ms"]["ring_network"] > 0

    asked = benchmark("rest", "--rate", "20", "--seconds", "3")  # goes back to the benchmark's own
    assert asked["model"] != mine.version
    assert (asked["ring_model"], asked["errors"]) == (None, {})
    assert champion(state).version == mine.version


def test_every_payment_is_decided_once_and_every_figure_is_there(benchmark):
    streamed = benchmark("stream", "--rate", "50", "--seconds", "4", "--workers", "2")
    assert (streamed["decided"], streamed["lost"]) == (200, 0)
    assert sum(streamed["verdicts"].values()) == 200
    assert list(streamed["latency_ms"]) == ["p50", "p95", "p99", "p999", "max"]
    assert streamed["cpu_s_per_1000"] > 0
    assert set(streamed["cpu_s_per_1000_around"]) == {"kafka", "redis", "load"}
    assert {"fold", "ledger", "store_read", "store_write"} <= set(streamed["stage_ms"])
    assert (streamed["workers"], streamed["given"]) == (2, [])
    assert len(streamed["per_minute"]) == 1

    asked = benchmark("rest", "--rate", "20", "--seconds", "3")
    assert (asked["decided"], asked["lost"], asked["errors"]) == (60, 0, {})

    compared = benchmark("baseline", "--payments", "300", "--baseline-payments", "100")
    assert compared["worker_lost"] == compared["baseline_lost"] == 0
    assert compared["baseline_per_s"] > 0
    expected = compared["worker_per_s"] / compared["baseline_per_s"]
    assert compared["ratio_to_baseline"] == pytest.approx(expected, abs=0.1)
    assert min(compared["baseline_step_ms"].values()) >= 0

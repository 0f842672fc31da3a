"""Feast's store and repo across processes: each takes seconds to import Feast."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from features.stores.feast_store import open_feast
from tests.unit.features.stores.conformance import NOON

REPO = Path(__file__).parents[2] / "features" / "feast_repo"

pytestmark = pytest.mark.integration


@pytest.fixture
def directory(tmp_path):
    directory = tmp_path / "features"
    store = open_feast(directory)
    store.write({"card": {"c": b"1"}}, NOON)
    store.close()
    return directory


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from features.stores.feast_store import open_feast
store = open_feast(Path(sys.argv[1]))
for i in range(1_000_000):
    store.write({"card": {f"c{j}": b"%d" % i for j in range(20)}, "ip": {"i": b"%d" % i}}, datetime.now(UTC))
    print(i, flush=True)
"""


def test_a_process_reads_while_another_writes_and_is_killed(directory):
    store = open_feast(directory)
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(directory)], stdout=subprocess.PIPE, text=True)
    try:
        assert writer.stdout.readline() == "0\n"
        began = time.monotonic()
        seen = [int(store.read({"card": ["c7"]})["card"]["c7"])]
        while (since := time.monotonic() - began) < 2 or (seen[-1] == seen[0] and since < 60):
            seen.append(int(store.read({"card": ["c7"]})["card"]["c7"]))
            store.write({"device": {"d": b"written here meanwhile"}}, NOON)
            time.sleep(0.005)
        assert seen == sorted(seen)
        assert seen[-1] > seen[0]
    finally:
        os.kill(writer.pid, signal.SIGKILL)
        acknowledged = int(writer.stdout.read().split()[-1])
        writer.wait()
        writer.stdout.close()
    states = store.read({"card": [f"c{j}" for j in range(20)], "ip": ["i"]})
    found = {int(state) for of_entity in states.values() for state in of_entity.values()}
    assert len(found) == 1, "a micro-batch was torn"
    assert found.pop() in (acknowledged, acknowledged + 1)
    store.close()


def test_importing_feast_leaves_the_environment_and_metrics_alone(directory):
    script = f"""
import os
before = dict(os.environ)
from pathlib import Path
from features.stores.feast_store import open_feast
import sys
assert "feast" not in sys.modules, "importing the adapter must not import Feast"
open_feast(Path({str(directory)!r})).close()
assert dict(os.environ) == before, set(os.environ) ^ set(before)
from prometheus_client import values
assert values.ValueClass is values.MutexValue, "metrics were switched to files"
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PROMETHEUS")}
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, env=environment)


@pytest.mark.slow
def test_feasts_own_tools_accept_the_repo_and_an_instance(directory, tmp_path):
    feast = [str(Path(sys.executable).with_name("feast")), "-c"]
    repo = tmp_path / "repo"
    shutil.copytree(REPO, repo, ignore=shutil.ignore_patterns("data", "__pycache__"))
    subprocess.run([*feast, repo, "apply"], check=True, capture_output=True, cwd=tmp_path)
    listed = subprocess.run([*feast, repo, "feature-views", "list"], check=True, capture_output=True, cwd=tmp_path)
    for name in (b"card_state", b"merchant_state", b"device_state", b"ip_state", b"customer_state"):
        assert name in listed.stdout
    applied = subprocess.run([*feast, directory, "apply"], check=True, capture_output=True, cwd=tmp_path)
    assert b"No changes to registry" in applied.stdout
    store = open_feast(directory)
    assert store.read({"card": ["c"]}) == {"card": {"c": b"1"}}
    store.close()


@pytest.mark.slow
def test_feasts_own_apply_keeps_the_view_of_a_back_filled_history(directory, tmp_path):
    store = open_feast(directory)
    store.register_history(tmp_path / "parts")
    store.close()
    feast = [str(Path(sys.executable).with_name("feast")), "-c", directory]
    applied = subprocess.run([*feast, "apply"], check=True, capture_output=True, cwd=tmp_path)
    assert b"No changes to registry" in applied.stdout
    listed = subprocess.run([*feast, "feature-views", "list"], check=True, capture_output=True, cwd=tmp_path)
    assert b"transaction_features" in listed.stdout

"""MLflow's adapter in a process of its own: imported late, and silent towards the outside."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json, sys
from pathlib import Path

import services.cli.app, services.score_app, services.explain_app, services.processes, services.tracking
from features.errors import StateError
from services.run_record import RunRecord
from services.state_directory import open_state

early = [name for name in ("mlflow", "matplotlib", "optuna") if name in sys.modules]
heard = []

def audit(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo") or (event == "subprocess.Popen" and "git" in str(arguments)):
        heard.append(event)

sys.addaudithook(audit)
state = open_state(Path(sys.argv[1]))
bundle = state.bundles / "lightgbm-1"
tags = {"bundle_version": "lightgbm-1"}
record = RunRecord("lightgbm-1", bundle, {"seed": "0"}, {"test.auc": 0.9}, tags, {"a.txt": "A"})
tracking = services.tracking.open_tracking(state)
first, second = tracking.record(record), tracking.record(record)
tracking.mirror_alias("champion", "lightgbm-1")
tracking.mirror_alias("challenger", "lightgbm-1")
for _ in range(2):
    tracking.mirror_alias("challenger", None)
try:
    tracking.mirror_alias("champion", "lightgbm-2")
    refused = ""
except StateError as error:
    refused = str(error)

from mlflow import MlflowClient
from mlflow.telemetry import get_telemetry_client

client = MlflowClient(f"sqlite:///{state.runs}")
print(json.dumps({
    "early": early,
    "heard": heard,
    "telemetry": get_telemetry_client() is not None,
    "runs": [first.run_id, second.run_id],
    "registered": [first.registered, second.registered],
    "aliases": list(client.get_registered_model("ringfence").aliases),
    "champion": client.get_model_version_by_alias("ringfence", "champion").tags["bundle_version"],
    "refused": refused,
    "file": (state.run_files / first.run_id / "artifacts" / "a.txt").read_text(),
}))
"""


@pytest.mark.slow
def test_recording_needs_nobody_else(tmp_path):
    # Neither CI nor pytest may be recognisable: MLflow keeps quiet there of its own accord.
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "NUMBA_CACHE_DIR", "LANG")}
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "state")],
        capture_output=True, text=True, check=False, cwd=tmp_path, env={**kept, "PYTHONPATH": str(root)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["early"] == []
    assert found["heard"] == []
    assert found["telemetry"] is False
    assert len(set(found["runs"])) == 2
    assert found["registered"] == [1, 1]  # the same bundle is registered once
    assert (found["champion"], found["aliases"]) == ("lightgbm-1", ["champion"])
    assert "lightgbm-2 is not registered" in found["refused"]
    assert found["file"] == "A"
    assert not (tmp_path / "mlruns").exists()
    assert "INFO" not in done.stderr

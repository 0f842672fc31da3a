import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from features import backfill_identity
from features.backfill_identity import fingerprint
from features.datasets.mapping import load_mapping
from features.errors import DataError
from features.fingerprint import feature_digests

MAPPING = load_mapping("fdh")


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n")
    return path


def test_it_depends_on_everything_that_changes_the_outcome(data, tmp_path, monkeypatch):
    seen = [fingerprint(data, MAPPING, None)]
    seen.append(fingerprint(data, MAPPING, datetime(2026, 1, 1, tzinfo=UTC)))
    seen.append(fingerprint(data, replace(MAPPING, delimiter=";"), None))
    seen.append(fingerprint(data, load_mapping("simulator"), None))
    with monkeypatch.context() as patch:
        patch.setattr(backfill_identity, "NAMES", backfill_identity.NAMES[1:])
        seen.append(fingerprint(data, MAPPING, None))
    with monkeypatch.context() as patch:
        patch.setattr(backfill_identity, "feature_digests", lambda: {**feature_digests(), "amount": "0"})
        seen.append(fingerprint(data, MAPPING, None))
    with monkeypatch.context() as patch:
        patch.setattr(backfill_identity, "STATE_VERSION", 99)
        seen.append(fingerprint(data, MAPPING, None))
    data.write_text("a,b\n1,3\n")
    seen.append(fingerprint(data, MAPPING, None))
    assert len(set(seen)) == len(seen)


def test_it_does_not_depend_on_names_or_on_the_process(data, tmp_path):
    here = fingerprint(data, MAPPING, None)
    moved = data.rename(tmp_path / "b.csv")
    assert fingerprint(moved, replace(MAPPING, name="other", description=""), None) == here
    script = f"""
from pathlib import Path
from features.backfill_identity import fingerprint
from features.datasets.mapping import load_mapping
print(fingerprint(Path({str(moved)!r}), load_mapping("fdh"), None))
"""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script], check=True, capture_output=True, text=True, env={"PYTHONHASHSEED": seed}
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert outputs == {here}


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        fingerprint(tmp_path / "none.csv", MAPPING, None)

import hashlib
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from features import table
from features.errors import ConfigurationError
from streaming.simulator import Scenario, Simulation, simulate
from streaming.simulator.files import write

SCRIPT = """
import sys
from pathlib import Path
from streaming.simulator import Scenario, simulate
from streaming.simulator.files import write
made = simulate(Scenario(transactions=3000, seed=9, fraud_rate=0.02))
for suffix in ("parquet", "csv"):
    write(made, Path(sys.argv[1]) / f"payments.{suffix}")
"""


@pytest.fixture(scope="module")
def small() -> Simulation:
    return simulate(Scenario(transactions=2_000, seed=6, fraud_rate=0.02))


def test_the_same_seed_gives_the_same_bytes_in_two_processes(tmp_path: Path) -> None:
    digests = []
    for number in ("1", "2"):
        folder = tmp_path / number
        subprocess.run([sys.executable, "-c", SCRIPT, str(folder)], check=True, env={"PYTHONHASHSEED": number})
        digests.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()})
    assert len(digests[0]) == 8
    assert digests[0] == digests[1]


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_four_files_hold_what_was_simulated(tmp_path: Path, small: Simulation, suffix: str) -> None:
    paths = write(small, tmp_path / "new" / f"payments.{suffix}")
    names = {f"payments.{suffix}", *(f"payments.{part}.{suffix}" for part in ("truth", "customers", "merchants"))}
    assert {path.name for path in paths.values()} == names == {path.name for path in (tmp_path / "new").iterdir()}
    read = pd.read_parquet if suffix == "parquet" else pd.read_csv
    frame = read(paths["transactions"])
    assert list(frame.columns) == list(table.COLUMNS)
    assert (frame.amount.to_numpy() == small.transactions.amount.to_numpy()).all()
    for column in ("event_time", "label_time"):
        assert (pd.to_datetime(frame[column], utc=True) == small.transactions[column]).all()
    assert frame.device_id.isna().equals(small.transactions.device_id.isna())
    truth = read(paths["truth"])
    assert truth.transaction_id.tolist() == small.truth.transaction_id.tolist()
    assert len(read(paths["customers"])) == len(small.customers)


def test_times_in_csv_are_rfc_3339(tmp_path: Path, small: Simulation) -> None:
    path = write(small, tmp_path / "a.csv")["transactions"]
    first = pd.read_csv(path, dtype=str).iloc[0]
    assert (
        pd.Series([first.event_time, first.label_time]).str.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z").all()
    )
    assert len(first.mcc) == 4


def test_another_suffix_and_a_file_for_a_folder_are_refused(tmp_path: Path, small: Simulation) -> None:
    with pytest.raises(ConfigurationError, match=r"unknown suffix '\.xlsx'"):
        write(small, tmp_path / "a.xlsx")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write(small, tmp_path / "file" / "a.csv")

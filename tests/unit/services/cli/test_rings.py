"""`ringfence rings find|list|show|quality`, run as a person would: on files, and on a state directory."""

import json
import sys
from datetime import timedelta
from xml.etree import ElementTree

import pytest

from features.errors import ConfigurationError, DataError, StateError
from services.cli import rings
from services.state_directory import open_state
from tests.unit.models.rings.payments import AT, START, history, household, ring_payments
from tests.unit.services.cli.calls import last_json, run
from tests.unit.services.rings.states import HOSTILE

AT_TEXT = f"{AT:%Y-%m-%dT%H:%M:%S}"


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RINGFENCE_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def payments(tmp_path):
    path = tmp_path / "payments.parquet"
    history(*ring_payments(), *household()).to_parquet(path)
    return path


@pytest.fixture
def ring_id(payments):
    run("rings", "find", "--data", payments)
    [ring] = last_json("rings", "list")["rings"]
    return ring["ring_id"]


def test_find_tells_what_there_is_and_what_is_new(payments, state):
    found = last_json("rings", "find", "--data", payments, "--at", AT_TEXT)
    assert (found["rings"], found["new"], found["cards"], found["transactions"]) == (1, 1, 3, 37)
    assert found["at"] == AT.isoformat()
    assert found["state"] == str(state / "rings")
    later = last_json("rings", "find", "--data", payments, "--at", f"{AT + timedelta(days=1):%Y-%m-%d}")
    assert (later["rings"], later["new"]) == (1, 0)
    assert "transactions" in run("rings", "find", "--data", payments)


def test_find_uses_only_what_was_known_at_the_time_and_the_days_before(payments):
    early = START + timedelta(days=5)
    assert last_json("rings", "find", "--data", payments, "--at", f"{early:%Y-%m-%d}")["transactions"] == 9
    assert last_json("rings", "find", "--data", payments, "--at", AT_TEXT, "--days", "10")["transactions"] == 1
    with pytest.raises(DataError, match="None of the 37 transactions is from the 90 days before"):
        run("rings", "find", "--data", payments, "--at", "2020-01-01")


def test_the_end_of_a_file_counts_its_last_payment(payments):
    found = last_json("rings", "find", "--data", payments)
    assert found["at"] == (START + timedelta(days=21, microseconds=1)).isoformat()
    assert found["transactions"] == 37


def test_list_and_show_tell_the_same_ring(ring_id):
    listed = last_json("rings", "list")
    shown = last_json("rings", "show", ring_id)
    [short] = listed["rings"]
    assert short == {name: shown[name] for name in short}
    assert short["frauds"] == 6
    assert short.keys().isdisjoint({"members", "edges", "timeline"})
    assert {member["id"] for member in shown["members"] if member["type"] == "card"} == {"a", "b", "c"}
    table = run("rings", "list")
    assert ring_id in table
    assert "EUR 60" in table
    described = run("rings", "show", ring_id)
    assert "device dev" in described
    assert "2026-01-02 00:00" in described


def test_show_draws_what_cannot_break_out_of_a_picture_or_a_terminal(tmp_path):
    path = tmp_path / "hostile.parquet"
    history(*ring_payments(cards=("[red]a", HOSTILE, "c"), device=HOSTILE)).to_parquet(path)
    run("rings", "find", "--data", path)
    [ring] = last_json("rings", "list")["rings"]
    out = run(
        "rings", "show", ring["ring_id"], "--svg", tmp_path / "ring.svg", "--html", tmp_path / "new" / "ring.html"
    )
    assert "[red]a" in out
    svg, html = (tmp_path / "ring.svg").read_text(), (tmp_path / "new" / "ring.html").read_text()
    assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    assert "<script" not in svg
    assert "<script>alert" not in html
    assert ring["ring_id"] in html


@pytest.mark.parametrize("option", ["--svg", "--html"])
def test_a_picture_that_cannot_be_written_is_told(ring_id, payments, option):
    with pytest.raises(ConfigurationError, match=r"cannot be written to .*payments\.parquet/ring"):
        run("rings", "show", ring_id, option, payments / "ring")


def test_long_evidence_is_cut_and_says_so(ring_id, monkeypatch):
    monkeypatch.setattr(rings, "SHOWN_EDGES", 2)
    told = []
    monkeypatch.setattr(rings, "say", told.append)
    run("rings", "show", ring_id)
    assert told == ["4 more with --json or --html."]


@pytest.mark.parametrize("arguments", [["list"], ["show", "ring-x"]])
def test_without_a_snapshot_list_and_show_say_what_to_do(state, arguments):
    with pytest.raises(StateError, match="There is no state"):
        run("rings", *arguments)
    assert not state.exists()
    open_state(state)
    with pytest.raises(DataError, match="No rings were looked for") as caught:
        run("rings", *arguments)
    assert "ringfence rings find" in caught.value.remedy


def test_an_unknown_ring_is_told(ring_id):
    with pytest.raises(DataError, match="No ring 'ring-x' was known") as caught:
        run("rings", "show", "ring-x")
    assert "rings list" in caught.value.remedy


def test_a_damaged_snapshot_is_told_by_name(ring_id, state):
    [path] = (state / "rings").glob("*Z.json")
    path.write_bytes(path.read_bytes().replace(b'"cards":3', b'"cards":4', 1))
    with pytest.raises(StateError, match="checksum") as caught:
        run("rings", "list")
    assert path.name in caught.value.message


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("absent.csv", None, "No such file"),
        ("empty.csv", b"", "is empty"),
        ("header.csv", b"transaction_id,event_time,card_id,merchant_id,amount,currency\n", "no"),
        ("garbage.csv", b"\x00\xff\x00\xff" * 99, "garbage.csv"),
        ("garbage.parquet", b"garbage" * 99, "not readable as PARQUET"),
        ("other.csv", b"a,b\n1,2\n", "no column 'transaction_id'"),
        ("payments.txt", b"a,b\n1,2\n", "neither CSV nor Parquet"),
    ],
)
def test_a_file_that_is_none_is_told(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        run("rings", "find", "--data", name)
    assert caught.value.remedy


def test_an_empty_ledger_is_told():
    with pytest.raises(DataError, match="no transactions"):
        run("rings", "find")


def test_finding_without_the_extra_says_how_to_install_it(payments, monkeypatch):
    monkeypatch.setitem(sys.modules, "leidenalg", None)
    with pytest.raises(ConfigurationError, match="extra `gnn`") as caught:
        run("rings", "find", "--data", payments)
    assert "pip install 'ringfence[gnn]'" in caught.value.remedy


def test_quality_measures_the_histories_that_are_asked_for(monkeypatch):
    asked = []

    def measured(seeds, *, every_days, progress):
        asked.append((list(seeds), every_days))
        progress(1, 1)
        return {"recall": 0.5}

    monkeypatch.setattr(rings, "benchmark_rings", measured)
    assert last_json("rings", "quality", "--histories", "3", "--seed", "7", "--every", "0.5") == {"recall": 0.5}
    assert "recall" in run("rings", "quality", "--histories", "1")
    assert asked == [([7, 8, 9], 0.5), ([0], None)]


def test_quality_prints_every_figure():
    result = json.loads(run("rings", "quality", "--histories", "1", "--json").splitlines()[-1])
    assert result["histories"] == 1
    assert {"planted", "found", "recall", "precision", "recall_by", "found_by_kind", "before_tenth"} <= result.keys()


@pytest.mark.parametrize(
    "arguments",
    [
        ["find", "--at", "yesterday"],
        ["find", "--days", "0"],
        ["show"],
        ["quality", "--histories", "0"],
        ["quality", "--every", "0"],
    ],
)
def test_options_out_of_range_are_usage_errors(arguments):
    run("rings", *arguments, status=2)

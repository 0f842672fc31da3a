"""`ringfence rings train|evaluate|embed`, run as a person would: the gate asked end to end, and every refusal told."""

from datetime import timedelta

import numpy as np
import pytest

pytest.importorskip("torch")

from features.errors import BundleError, ConfigurationError, DataError
from features.stores.embeddings import open_embeddings
from services import extras
from services.rings import network as ring_network
from services.state_directory import open_state
from streaming.simulator import Scenario, simulate
from streaming.simulator.files import write
from tests.unit.models.rings.two_hops import two_hop_history
from tests.unit.services.cli.calls import last_json, run

GATE = "--refresh-hours 0 --epochs 16 --device cpu --shuffle-edges".split()
TRAIN = "--epochs 1 --device cpu".split()


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RINGFENCE_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture(scope="module")
def simulation():
    return simulate(Scenario(transactions=2500, fraud_rate=0.08, seed=3))


@pytest.fixture(scope="module")
def payments(simulation, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "payments.parquet"
    write(simulation, path)
    return path


@pytest.fixture(scope="module")
def two_hops(tmp_path_factory):
    """Paths of a history that a network understands and trees do not, and of its campaigns."""
    folder = tmp_path_factory.mktemp("two-hops")
    table, truth = two_hop_history()
    table.to_parquet(folder / "payments.parquet")
    truth.to_csv(folder / "truth.csv", index=False)
    return folder / "payments.parquet", folder / "truth.csv"


def test_the_gate_lets_in_what_knows_rings_and_refuses_what_learned_from_shuffled_edges(two_hops, state):
    data, truth = two_hops
    asked = ["rings", "evaluate", "--data", data, "--campaigns", truth, *GATE]
    found = last_json(*asked)
    assert found["passed"]
    assert found["report"]["uplift"]["rings"]["network_over_aggregates"]["low"] > 0.1
    assert found["shuffled_refused"]
    assert [check["name"] for check in found["shuffled"]["checks"] if not check["passed"]] == ["uplift"]
    assert ring_network.served_ring_model(open_state(state)).version == found["installed"]


@pytest.mark.slow
def test_nothing_is_installed_where_the_gate_lets_shuffled_edges_through(two_hops, state, monkeypatch):
    monkeypatch.setattr(ring_network, "shuffled", lambda graph, _seed: graph)  # edges that still lead where they led
    data, truth = two_hops
    shown = run("rings", "evaluate", "--data", data, "--campaigns", truth, *GATE)
    assert "Gate, shuffled edges" in shown
    assert "FAILED" not in shown
    assert "None" in shown[shown.index("Installed") :]
    assert ring_network.served_ring_model(open_state(state)) is None


def test_a_simulation_is_asked_about_without_touching_any_state(state, monkeypatch, two_hops):
    """Without --data; the report is that of a small stand-in, for the gate itself is asked above."""
    given = []

    def evaluated(directory, table, **options):
        given.append((directory, len(table), set(options["campaigns"]["campaign"]), options["shuffle_edges"]))
        raise DataError("enough")

    monkeypatch.setattr(ring_network, "evaluate_rings", evaluated)
    with pytest.raises(DataError, match="enough"):
        run("rings", "evaluate", "--transactions", "3000", "--ring-weight", "5", "--device", "cpu")
    [(directory, count, kinds, shuffle)] = given
    assert (directory, count, shuffle) == (None, 3000, False)
    assert "mule_ring" in kinds
    assert not state.exists()


def test_a_trained_model_embeds_when_named_and_not_otherwise(payments, simulation, state):
    trained = last_json("rings", "train", "--data", payments, *TRAIN)
    assert trained["served"] is False
    assert len(trained["losses"]) == 1
    embed = ["rings", "embed", "--data", payments, "--device", "cpu"]
    with pytest.raises(ConfigurationError, match="No ring model is served") as caught:
        run(*embed)
    assert "rings evaluate" in caught.value.remedy
    model = ["--model", trained["model"]]
    last = simulation.transactions["event_time"].iloc[-1]
    before = f"{last - timedelta(hours=2):%Y-%m-%dT%H:%M:%S}"
    first = last_json(*embed, *model, "--at", before)
    some = last_json(*embed, *model, "--since", before)
    assert 0 < some["embeddings"] < first["embeddings"]
    assert first["model"] == trained["version"]
    card = str(simulation.transactions["card_id"].iloc[-1])
    store = open_embeddings(open_state(state).embeddings)
    stored = store.read({"card": [card]})["card"][card]
    store.close()
    assert f"{stored.as_of:%Y-%m-%d %H:%M:%S}" == some["as_of"][:19]
    assert np.abs(stored.vector).max() > 0
    assert trained["version"] in run(*embed, *model, "--at", before)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("absent.csv", None, "No such file"),
        ("empty.csv", b"", "is empty"),
        ("garbage.parquet", b"garbage" * 99, "not readable as PARQUET"),
        ("other.csv", b"a,b\n1,2\n", "no column 'transaction_id'"),
    ],
)
@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_a_file_that_is_none_is_told(tmp_path, command, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        run("rings", command, "--data", name)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("absent.csv", None, "cannot be read"),
        ("empty.csv", b"", "cannot be read"),
        ("garbage.parquet", b"garbage" * 99, "cannot be read"),
        ("other.csv", b"a,b\n1,2\n", "no column campaign, transaction_id"),
    ],
)
def test_campaigns_that_are_none_are_told(payments, tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        run("rings", "evaluate", "--data", payments, "--campaigns", name, "--device", "cpu")


def test_what_cannot_be_embedded_is_told(payments, tmp_path):
    trained = last_json("rings", "train", "--data", payments, *TRAIN)
    embed = ["rings", "embed", "--data", payments, "--device", "cpu"]
    with pytest.raises(BundleError, match="cannot be read"):
        run(*embed, "--model", tmp_path / "nowhere")
    with pytest.raises(DataError, match="no transaction before"):
        run(*embed, "--model", trained["model"], "--at", "2001-01-01")
    run(*embed, "--model", trained["model"], "--since", "2031-01-01", status=2)


def test_without_the_extra_every_command_says_how_to_install_it(payments, monkeypatch):
    monkeypatch.setattr(extras, "GNN", ("torch", "no_such_package"))
    for command in ("train", "evaluate", "embed"):
        with pytest.raises(ConfigurationError, match="extra `gnn` is not installed") as caught:
            run("rings", command, "--data", payments)
        assert "pip install 'ringfence[gnn]'" in caught.value.remedy


def test_a_device_that_is_none_is_told(payments):
    with pytest.raises(ConfigurationError, match="'abacus' is no device"):
        run("rings", "train", "--data", payments, "--device", "abacus")

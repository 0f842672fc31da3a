import numpy as np
import pytest

torch = pytest.importorskip("torch")

from features.errors import ConfigurationError, DataError  # noqa: E402 (after the skip)
from models import metrics  # noqa: E402
from models.rings.embedding import log_odds  # noqa: E402
from models.rings.graph import build_graph  # noqa: E402
from models.rings.inputs import FEATURES  # noqa: E402
from models.rings.payments import Payments  # noqa: E402
from models.rings.training import choose_device, train_network  # noqa: E402
from tests.unit.models.rings.histories import table_of  # noqa: E402


def planted(seed=0, count=1500):
    """A history where fraud is what cards do on devices that other cards share; no feature tells of it."""
    random = np.random.default_rng(seed)
    rows = []
    for hour in range(count):
        ring = random.random() < 0.12
        card = int(random.integers(10)) if ring else int(random.integers(10, 150))
        device = f"ring{card % 2}" if ring else f"own{card}"
        rows.append((hour, f"c{card}", f"m{int(random.integers(30))}", device, None, None, int(ring), hour + 20.0))
    graph = build_graph(table_of(rows))
    noise = random.normal(size=(count, len(FEATURES))).astype(np.float32)
    return graph, Payments(graph.nodes, graph.nodes >= 0, graph.time, noise), graph.label == 1


@pytest.fixture(scope="module")
def learnt():
    graph, payments, truth = planted()
    rows = np.arange(1000)
    return graph, payments, truth, train_network(graph, payments.take(rows), truth[rows], epochs=4)


def test_it_learns_who_shares_devices(learnt):
    graph, payments, truth, network = learnt
    later = np.arange(1000, 1500)
    scores = log_odds(network.encoder, network.head, graph, payments.take(later))
    assert metrics.average_precision(truth[later], scores) > 0.9
    assert network.losses[-1] < network.losses[0]


def test_the_same_data_and_seed_give_the_same_network(learnt):
    graph, payments, truth, network = learnt
    rows = np.arange(1000)
    again = train_network(graph, payments.take(rows), truth[rows], epochs=4)
    other = train_network(graph, payments.take(rows), truth[rows], epochs=4, seed=1)
    assert again.losses == network.losses
    assert np.array_equal(again.head.hidden, network.head.hidden)
    assert not np.array_equal(other.head.hidden, network.head.hidden)


def test_progress_reaches_its_end():
    graph, payments, truth = planted(count=300)
    told = []
    train_network(graph, payments, truth, epochs=2, progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1]
    assert [done for done, _ in told] == list(range(1, len(told) + 1))


def test_one_class_alone_teaches_nothing():
    graph, payments, truth = planted(count=50)
    with pytest.raises(DataError, match="both classes"):
        train_network(graph, payments, np.zeros_like(truth))


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ConfigurationError, match="no device"):
        choose_device("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigurationError, match="no CUDA"):
            choose_device("cuda")
        assert choose_device("auto").type == "cpu"

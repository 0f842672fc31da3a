"""The network against plain numpy: on the CPU everywhere, on CUDA where there is one."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models.rings.embedding import embed_all, embed_nodes, embed_payments  # noqa: E402 (after the skip)
from models.rings.graph import build_graph  # noqa: E402
from models.rings.inputs import FEATURES, Scaling  # noqa: E402
from models.rings.network import TYPES, WIDTH, Encoder, Head  # noqa: E402
from models.rings.payments import Payments  # noqa: E402
from models.rings.sampler import neighbourhood  # noqa: E402
from models.rings.training import served_head  # noqa: E402
from tests.unit.models.rings.histories import moment, random_table  # noqa: E402

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def encoder_of(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Encoder().eval()


def layer_in_numpy(weights, name, graph, outer, own, edges, inner, rows):
    """Return what a layer makes of ``inner`` nodes, one node and one relation at a time."""

    def weight(part):
        return weights[f"{name}.{part}"].astype(np.float64)

    outer_types, inner_types = graph.types(outer), graph.types(inner)
    out = np.empty((len(inner), WIDTH))
    for node in range(len(inner)):
        sums = np.zeros((TYPES, WIDTH))
        for code in range(TYPES):
            which = np.flatnonzero((edges.target == node) & (edges.source_type == code))
            if not len(which):
                continue
            messages = []
            for edge in which:
                source = edges.source[edge]
                sent = weight("edge.weight") @ edges.attributes[edge] + weight("edge.bias")
                if source >= 0:
                    kind = outer_types[source]
                    sent = sent + rows[source] @ weight("neighbour.weight")[kind] + weight("neighbour.bias")[kind]
                messages.append(np.where(sent > 0, sent, 0.2 * sent))
            messages = np.array(messages)
            logits = messages @ weight("attention.weight")[0]
            share = np.exp(logits - logits.max())
            sums[code] = (share / share.sum()) @ messages
        kind = inner_types[node]
        joined = np.concatenate((rows[own[node]], sums.ravel()))
        value = joined @ weight("update_.weight")[kind] + weight("update_.bias")[kind]
        value = (value - value.mean()) / np.sqrt(value.var() + 1e-5)
        out[node] = np.maximum(value * weight("norm.weight") + weight("norm.bias"), 0.0)
    return out


def encoded_in_numpy(encoder, graph, around):
    weights = {name: tensor.cpu().numpy() for name, tensor in encoder.state_dict().items()}
    first, second, third = (hop.node for hop in around.hops)
    near = layer_in_numpy(
        weights, "first", graph, third, around.own[1], around.edges[1], second, around.hops[2].inputs.astype(np.float64)
    )
    return layer_in_numpy(weights, "second", graph, second, around.own[0], around.edges[0], first, near)


@pytest.mark.parametrize("device", DEVICES)
def test_embeddings_are_those_of_plain_numpy(device):
    graph = build_graph(random_table(seed=2))
    nodes = np.flatnonzero(graph.time[graph.events[graph.rows[:-1]]] < moment(300))
    encoder = encoder_of()
    around = neighbourhood(graph, nodes, np.full(len(nodes), moment(300)))
    wanted = encoded_in_numpy(encoder, graph, around)
    found = embed_nodes(encoder.to(device), graph, nodes, moment(300)).vectors
    np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("device", DEVICES)
def test_the_batch_stage_gives_what_sampling_around_each_node_gives(device):
    graph = build_graph(random_table(seed=3))
    encoder = encoder_of().to(device)
    found = embed_all(encoder, graph, moment(400))
    one = embed_nodes(encoder, graph, found.nodes, moment(400))
    np.testing.assert_allclose(found.vectors, one.vectors, rtol=1e-4, atol=1e-5)


def test_the_served_head_is_the_trained_one():
    random = np.random.default_rng(0)
    graph = build_graph(random_table(seed=4))
    rows = np.arange(40, 400)
    features = random.normal(size=(400, len(FEATURES))).astype(np.float32)
    features[random.random(features.shape) < 0.2] = np.nan
    payments = Payments(graph.nodes, graph.nodes >= 0, graph.time, features).take(rows)
    scaling = Scaling(np.full(len(FEATURES), 0.1, np.float32), np.full(len(FEATURES), 0.7, np.float32))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        head = Head(len(FEATURES)).eval()
        torch.nn.init.normal_(head.unknown)
    with torch.inference_mode():
        vectors, known = embed_payments(encoder_of(), graph, payments)
        wanted = head(
            vectors,
            torch.from_numpy(known),
            torch.from_numpy(payments.present),
            torch.from_numpy(scaling(payments.features)),
        )
    assert (payments.present & ~known).any()  # so that the one hop is tested too
    found = served_head(head, scaling).log_odds(vectors.numpy(), known, payments.present, payments.features)
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-4, atol=1e-5)

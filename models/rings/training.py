"""Trains the network on transactions whose labels are known.

One of the three modules that know PyTorch. Batches are transactions in random order, all frauds and a share of the
genuine ones. Each transaction's entities are sampled as they stood when embeddings were last computed before it
(`Payments.moments`). Same data, seed and device: same weights.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from features.errors import BundleError, ConfigurationError, DataError
from features.progress import Progress
from models.rings import head as served
from models.rings.embedding import embed_payments
from models.rings.graph import RingGraph
from models.rings.inputs import FEATURES, Scaling, fit_scaling
from models.rings.network import Encoder, Head, to_tensor
from models.rings.payments import Payments

Bools = NDArray[np.bool_]
BATCH = 512
GENUINE_PER_FRAUD = 15
EPOCHS = 10
RATE = 4e-3
DECAY = 1e-3
DROPOUT = 0.2


@dataclass(frozen=True, slots=True)
class Network:
    """A trained network: the encoder on its device, the head as it is served; ``losses`` by epoch."""

    encoder: Encoder
    head: served.Head
    losses: tuple[float, ...]


def choose_device(wanted: str) -> torch.device:
    """Return the device for auto, cpu or cuda; raises `ConfigurationError` for one that is not there."""
    if wanted not in ("auto", "cpu", "cuda"):
        raise ConfigurationError(f"{wanted!r} is no device.", remedy="Give auto, cpu or cuda.")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError(
            "PyTorch sees no CUDA device here.", remedy="Take --device cpu, or install PyTorch's CUDA build."
        )
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def train_network(
    graph: RingGraph,
    payments: Payments,
    is_fraud: Bools,
    *,
    seed: int = 0,
    epochs: int = EPOCHS,
    device: torch.device | None = None,
    progress: Progress | None = None,
) -> Network:
    """Fit on transactions (n,) and their truth; raises `DataError` where one class is missing."""
    frauds, genuine = np.flatnonzero(is_fraud), np.flatnonzero(~is_fraud)
    if not len(frauds) or not len(genuine):
        raise DataError(
            f"The network needs both classes; {len(frauds)} of {len(is_fraud)} transactions are fraud.",
            remedy="Give a longer history.",
        )
    random = np.random.default_rng(seed)
    used = device or torch.device("cpu")
    scaling = fit_scaling(payments.features)
    taken = min(len(genuine), GENUINE_PER_FRAUD * len(frauds))
    steps = -(-(len(frauds) + taken) // BATCH)
    losses = []
    with torch.random.fork_rng(), one_thread():
        torch.manual_seed(seed)
        encoder, head = Encoder().to(used), Head(len(FEATURES)).to(used)
        weights = [*encoder.parameters(), *head.parameters()]
        optimiser = torch.optim.AdamW(weights, lr=RATE, weight_decay=DECAY)
        pace = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps * epochs)
        for epoch in range(epochs):
            rows = random.permutation(np.concatenate((frauds, random.choice(genuine, taken, replace=False))))
            total = 0.0
            for step, batch in enumerate(np.array_split(rows, steps)):
                optimiser.zero_grad()
                some = payments.take(batch)
                vectors, known = embed_payments(encoder, graph, some)
                odds = head(
                    vectors,
                    to_tensor(known, used),
                    to_tensor(some.present, used),
                    to_tensor(scaling(some.features), used),
                    DROPOUT,
                )
                truth = to_tensor(is_fraud[batch].astype(np.float32), used)
                loss = nn.functional.binary_cross_entropy_with_logits(odds, truth)
                loss.backward()  # type: ignore[no-untyped-call]  # PyTorch leaves it untyped
                nn.utils.clip_grad_norm_(weights, 1.0)
                optimiser.step()
                pace.step()
                total += float(loss.detach()) * len(batch)
                if progress is not None:
                    progress(epoch * steps + step + 1, steps * epochs)
            losses.append(total / len(rows))
        with torch.no_grad():  # the genuine payments left out shift the log-odds by a constant
            head.out.bias.sub_(float(np.log(len(genuine) / taken)))
    return Network(encoder.eval(), served_head(head, scaling), tuple(losses))


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep PyTorch to one thread: sums come in one order, and two busy cores do not wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def served_head(head: Head, scaling: Scaling) -> served.Head:
    """Return a head as it is served, in numpy."""

    def array(tensor: torch.Tensor) -> NDArray[np.float32]:
        return np.ascontiguousarray(tensor.detach().cpu().numpy())

    return served.Head(
        one_hop=array(head.one_hop.permute(1, 2, 0, 3)),
        unknown=array(head.unknown),
        hidden=array(head.hidden.weight.T),
        hidden_bias=array(head.hidden.bias),
        out=array(head.out.weight[0]),
        out_bias=array(head.out.bias),
        scaling=scaling,
    )


def encoder_arrays(network: Network) -> dict[str, NDArray[np.float32]]:
    """Return the encoder's weights by name."""
    return {name: tensor.cpu().numpy() for name, tensor in network.encoder.state_dict().items()}


def restored_encoder(arrays: Mapping[str, NDArray[np.float32]], device: torch.device) -> Encoder:
    """Return an encoder with weights by name; raises `BundleError` where they do not fit."""
    encoder = Encoder()
    try:
        encoder.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in arrays.items()})
    except RuntimeError as error:
        raise BundleError(
            f"The encoder's weights do not fit this version's network: {error}.",
            remedy="Train again with `ringfence rings train`.",
        ) from error
    return encoder.to(device).eval()

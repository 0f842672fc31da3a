"""Ring scores of a whole history, each from the past alone. Imports PyTorch."""

import pandas as pd

from features.catalogue import NAMES
from features.progress import Progress
from models.calibration import probability
from models.rings.bundle import RingBundle
from models.rings.embedding import log_odds
from models.rings.graph import build_graph
from models.rings.payments import payments_of
from models.rings.training import choose_device, restored_encoder
from models.scorer import Matrix, Vector


def ring_scores(
    bundle: RingBundle, table: pd.DataFrame, features: Matrix, *, progress: Progress | None = None
) -> Vector:
    """Return the probability of fraud (n,) that a network gives each transaction of a canonical table.

    ``features`` (n, f) are the catalogue's. Each is as of the last refresh of embeddings before the transaction, on
    the CPU, so that it comes out bit by bit again. Scores from the time that the network was trained on flatter it.
    """
    graph = build_graph(table)
    payments = payments_of(graph, features, NAMES, bundle.manifest.refresh_hours)
    encoder = restored_encoder(bundle.encoder, choose_device("cpu"))
    return probability(log_odds(encoder, bundle.head, graph, payments, progress=progress))

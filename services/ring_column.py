"""Ring scores for the trees of a model, where the gate lets the network through."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from models.calibration import probability
from models.rings.column import RingColumn
from models.rings.evaluation import RingReport
from models.scorer import Matrix
from services.ring_network import evaluate_rings
from services.state_directory import StateDirectory

if TYPE_CHECKING:
    import torch

Step = Callable[[str], Callable[[int, int], None]]


def ask_for_column(
    state: StateDirectory,
    table: pd.DataFrame,
    features: Matrix,
    *,
    as_of: pd.Timestamp | None = None,
    campaigns: pd.DataFrame | None = None,
    epochs: int,
    seed: int = 0,
    device: "torch.device",
    step: Step,
) -> tuple[RingReport, RingColumn | None]:
    """Ask the gate on what a model is about to be trained on; return its report, and the scores if it lets them in.

    The network that is installed then is the one that scored everything after the training window. Arguments are those
    of `services.ring_network.evaluate_rings`.
    """
    found = evaluate_rings(
        state,
        table,
        features=features,
        as_of=as_of,
        campaigns=campaigns,
        epochs=epochs,
        seed=seed,
        device=device,
        step=step,
    )
    if found.bundle is None:
        return found.report, None
    scores = found.scores.copy()
    there = np.isfinite(scores)
    scores[there] = probability(scores[there])
    return found.report, RingColumn(scores, found.bundle.version)

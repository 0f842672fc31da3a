"""Runs fraud campaigns until the wanted number of transactions exists."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streaming.simulator.campaigns_account import account_takeover, mule_ring
from streaming.simulator.campaigns_card import card_testing, compromised_merchant, stolen_card
from streaming.simulator.campaigns_chain import mule_chain
from streaming.simulator.campaigns_threshold import slow_drip, threshold_probing
from streaming.simulator.draws import Ints
from streaming.simulator.rows import Rows, concat
from streaming.simulator.scene import Scene

FRIENDLY = "friendly"
CAMPAIGNS: dict[str, Callable[[Scene], Rows]] = {
    "card_testing": card_testing,
    "stolen_card": stolen_card,
    "account_takeover": account_takeover,
    "compromised_merchant": compromised_merchant,
    "mule_ring": mule_ring,
    "slow_drip": slow_drip,
    "threshold_probing": threshold_probing,
}
KINDS = (*CAMPAIGNS, FRIENDLY)
_RINGED = "mule_ring"


@dataclass(frozen=True, slots=True)
class Fraud:
    """Fraudulent transactions and what is behind each: kind (index into `KINDS`), campaign, ring (-1: none)."""

    rows: Rows
    kind: Ints
    campaign: Ints
    ring: Ints


def apportion(total: int, weights: dict[str, float]) -> dict[str, int]:
    """Split ``total`` into whole parts by weight (largest remainders; ties go to the earlier kind)."""
    share = np.array(list(weights.values())) / sum(weights.values()) * total
    parts = np.floor(share).astype(np.int64)
    remainder = np.argsort(parts - share, kind="stable")[: total - int(parts.sum())]
    parts[remainder] += 1
    return dict(zip(weights, parts.tolist(), strict=True))


def fraud_rows(scene: Scene, wanted: int, weights: dict[str, float]) -> Fraud | None:
    """Return exactly ``wanted`` fraudulent transactions, or None when that is 0. A kind's last campaign may be cut."""
    parts: list[Rows] = []
    labels: list[tuple[int, int, int, int]] = []  # kind, campaign, ring, transactions
    rings = 0
    for kind, count in apportion(wanted, weights).items():
        run = mule_chain if kind == _RINGED and scene.rings.chain else CAMPAIGNS[kind]
        left = count
        while left:
            made = _inside(scene, run(scene))
            made = made.take(np.arange(min(left, len(made))))
            if len(made):
                ring = rings if kind == _RINGED else -1
                rings += kind == _RINGED
                labels.append((KINDS.index(kind), len(parts), ring, len(made)))
                parts.append(made)
                left -= len(made)
    if not parts:
        return None
    table: NDArray[np.int64] = np.array(labels)
    kind_of, campaign, ring_of = (np.repeat(table[:, column], table[:, 3]) for column in range(3))
    return Fraud(concat(parts), kind_of, campaign, ring_of)


def _inside(scene: Scene, rows: Rows) -> Rows:
    """Drop what falls before the scenario's start or after its end."""
    keep = np.flatnonzero((rows.time >= 0) & (rows.time < scene.world.horizon_ms))
    return rows.take(keep)

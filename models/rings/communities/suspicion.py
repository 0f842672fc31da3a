"""Suspicion: which share of payments is fraud as far as it is known, and which links are suspicious by it.

A public network, a popular receiver and a household pay honestly most of the time, so what is known of their payments
clears them; nothing needs to say how large a household is.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.rings.communities.links import FRAUD, Ints, Past

Floats = NDArray[np.float64]
ByKind = tuple[float, float, float]  # for devices, ips, counterparties
# Fraud of a card anywhere bears on what it shares, for who hides has honest-looking payments beside the reported ones.
MET: ByKind = (0.5, 0.0, 0.0)  # each further card with fraud anywhere that an entity met, as a part of a fraud
MET_MOST = 3  # such cards that count
ELSEWHERE = 0.6  # what a card with fraud anywhere brings to its own use of an entity, as a part of a fraud


@dataclass(frozen=True, slots=True, kw_only=True)
class RingSettings:
    """How rings are found; the defaults are those that `ringfence rings quality` measures."""

    days: float = 90.0  # of the past that are looked at
    doubt: ByKind = (0.5, 2.0, 3.0)  # honest payments that an entity is presumed to have besides its own
    unknown: float = 0.3  # what a payment of which nothing is known counts, as a part of an honest one
    shared: ByKind = (0.4, 0.0, 0.0)  # what each further holder of an entity counts, as a part of a fraud
    shared_most: int = 4  # further holders that count
    tainted: float = 0.3  # what a card with fraud elsewhere counts, as a part of a fraud
    entity: float = 0.35  # least suspicion of an entity
    link: float = 0.4  # least suspicion of a card's link to it, where some of its payments are known to be honest
    weights: ByKind = (1.0, 0.5, 0.5)  # of links when the communities are found
    resolution: float = 0.25  # of the communities: higher divides more readily
    holders: int = 3  # least number of people (cards, where customers are unknown) in a ring
    frauds: int = 1  # least number of confirmed frauds in a ring
    seed: int = 0


def suspicion(frauds: Floats, honest: Floats, unknown: Floats, doubt: "Floats | float") -> Floats:
    """Return the share of payments that is fraud, in [0, 1); ``doubt`` are honest ones presumed besides."""
    return np.asarray(frauds / (frauds + honest + unknown + doubt), np.float64)


def suspicious_links(past: Past, settings: RingSettings) -> pd.DataFrame:
    """Return the links of ``past`` that are suspicious, with their ``weight``.

    An entity must be suspicious, and the card's own use of it must not speak against that: who has sent money to a
    mule's account without any harm is no member. What only one holder is left with joins nobody.
    """
    links = past.links
    has_fraud = _cards_with_fraud(past)[links["card"].to_numpy()]
    of_entity = _of_entities(past, has_fraud, settings)[links["entity"].to_numpy()]
    frauds, honest = (links[name].to_numpy(np.float64) for name in ("frauds", "honest"))
    of_card = ELSEWHERE * has_fraud
    own = (frauds + of_entity + of_card) / (frauds + honest + 1)  # the entity's suspicion counts as one payment
    own = np.minimum(own, 1.0)
    keep = (of_entity >= settings.entity) & ((own >= settings.link) | (honest == 0))
    strength = own * np.array(settings.weights)[past.kinds[links["entity"].to_numpy()]]
    weighted = links.assign(weight=strength * np.log1p(np.maximum(links["payments"], 1)))
    kept: pd.DataFrame = weighted[keep]
    joined: pd.DataFrame = kept[_holders_of(kept, past.holders) > 1]
    return joined


def _of_entities(past: Past, has_fraud: NDArray[np.bool_], settings: RingSettings) -> Floats:
    """Return each entity's suspicion, by its payments and by who shares it; ``has_fraud``: the card of each link."""
    links, size = past.links, len(past.entities)
    entity, known = links["entity"].to_numpy(), pd.Series(has_fraud, index=links.index)
    frauds, honest, payments = (_sums(entity, links[name], size) for name in ("frauds", "honest", "payments"))
    further = np.zeros(size)
    further[entity] = np.minimum(_holders_of(links, past.holders) - 1, settings.shared_most)
    tainted = _sums(entity, known & (links["frauds"] == 0), size)
    met = np.clip(_sums(entity, known, size) - 1, 0, MET_MOST)
    signs = (
        np.array(settings.shared)[past.kinds] * further + settings.tainted * tainted + np.array(MET)[past.kinds] * met
    )
    unknown = settings.unknown * (payments - frauds - honest)
    return suspicion(frauds + signs, honest, unknown, np.array(settings.doubt)[past.kinds])


def _cards_with_fraud(past: Past) -> NDArray[np.bool_]:
    return _sums(past.payments["card"].to_numpy(), past.payments["verdict"] == FRAUD, len(past.cards)) > 0


def _sums(where: Ints, what: "pd.Series[int] | pd.Series[bool]", size: int) -> Floats:
    return np.bincount(where, weights=what, minlength=size).astype(np.float64, copy=False)


def _holders_of(links: pd.DataFrame, holders: Ints) -> Ints:
    """Return how many holders have a link to the entity of each link."""
    pairs = pd.DataFrame({"entity": links["entity"], "holder": holders[links["card"].to_numpy()]})
    return pairs.groupby("entity")["holder"].transform("nunique").to_numpy(np.int64)

"""Finds rings: communities in the suspicious part of the past's links.

    table → past (`communities_links`) → suspicious links → communities of holders and entities → rings, scored

The same table, moment, settings and former rings give the same rings bit by bit, whatever happens at or after the
moment.
"""

from collections import defaultdict
from collections.abc import Container, Sequence
from datetime import datetime
from typing import TypeVar

import numpy as np
import pandas as pd

from models.rings.communities.describe import Found, Link, Payment, described
from models.rings.communities.ids import with_stable_ids
from models.rings.communities.leiden import communities
from models.rings.communities.links import FRAUD, HONEST, KINDS, Ints, Past, past_of
from models.rings.communities.suspicion import RingSettings, suspicion, suspicious_links
from models.rings.communities.types import FraudRing

DEFAULTS = RingSettings()
_Row = TypeVar("_Row", Link, Payment)


def find_rings(
    table: pd.DataFrame, at: datetime, *, settings: RingSettings = DEFAULTS, former: Sequence[FraudRing] = ()
) -> list[FraudRing]:
    """Return the rings of a canonical table as they could be known at ``at`` (UTC), the highest score first.

    ``former`` are the rings of an earlier run, whose ids those keep that they have become.
    """
    return rings_of(past_of(table, at, settings.days), settings, former)


def rings_of(past: Past, settings: RingSettings = DEFAULTS, former: Sequence[FraudRing] = ()) -> list[FraudRing]:
    """Return the rings of a past that is at hand."""
    links = suspicious_links(past, settings)
    if links.empty:
        return []
    inside = links.assign(group=_groups(past, links, settings)).query("group >= 0")
    payments = _payments_within(past, inside)
    scores = _scores(past, payments, settings)
    links_of, payments_of = _by_group(inside, Link, scores), _by_group(payments, Payment, scores)
    rings = [described(past, Found(links_of[group], payments_of[group], score)) for group, score in scores.items()]
    return sorted(with_stable_ids(rings, former), key=lambda ring: (-ring.score, ring.ring_id))


def _by_group(frame: pd.DataFrame, kind: type[_Row], groups: Container[int]) -> dict[int, list[_Row]]:
    """Return the rows of each of ``groups``, their columns those of ``kind``."""
    rows: dict[int, list[_Row]] = defaultdict(list)
    columns = [frame[name].tolist() for name in kind._fields]
    for group, *values in zip(frame["group"].tolist(), *columns, strict=True):
        if group in groups:
            rows[group].append(kind(*values))
    return rows


def _groups(past: Past, links: pd.DataFrame, settings: RingSettings) -> Ints:
    """Return the community of each link, -1 for one between two communities."""
    holder, entity = past.holders[links["card"].to_numpy()], links["entity"].to_numpy() + len(past.cards)
    nodes, ends = np.unique(np.stack([holder, entity]), return_inverse=True)
    edges = ends.reshape(2, -1).T
    group = communities(
        len(nodes), edges, links["weight"].to_numpy(), resolution=settings.resolution, seed=settings.seed
    )
    return np.where(group[edges[:, 0]] == group[edges[:, 1]], group[edges[:, 0]], -1)


def _payments_within(past: Past, links: pd.DataFrame) -> pd.DataFrame:
    """Return the payments that went over ``links``, with their group; one over several links counts once."""
    size = max(len(past.entities), 1)
    group_of = pd.Series(links["group"].to_numpy(), index=links["card"].to_numpy() * size + links["entity"].to_numpy())
    payments = past.payments
    group = np.full(len(payments), -1)
    for kind in KINDS:
        key = np.where(payments[kind] >= 0, payments["card"] * size + payments[kind], -1)
        group = np.maximum(group, group_of.reindex(key, fill_value=-1).to_numpy())
    return payments.assign(group=group)[group >= 0]


def _scores(past: Past, payments: pd.DataFrame, settings: RingSettings) -> dict[int, float]:
    """Return the score of each group that is a ring: one with enough holders and confirmed frauds."""
    verdict = payments["verdict"]
    facts = pd.DataFrame({"group": payments["group"], "fraud": verdict == FRAUD, "honest": verdict == HONEST})
    facts["holder"] = past.holders[payments["card"].to_numpy()]
    of_group = facts.groupby("group")
    frauds, honest, total = of_group["fraud"].sum(), of_group["honest"].sum(), of_group.size()
    score = suspicion(
        frauds.to_numpy(), honest.to_numpy(), settings.unknown * (total - frauds - honest).to_numpy(), 1.0
    )
    ring = (of_group["holder"].nunique() >= settings.holders) & (frauds >= settings.frauds)
    return {int(group): float(value) for group, value, yes in zip(ring.index, score, ring, strict=True) if yes}

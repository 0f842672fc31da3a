"""Measures how well rings are found: simulated histories with planted rings of many sizes, densities and disguises.

A planted ring is a mule ring of three people or more. A found ring is right where at least 80 % of its cards belong to
one planted group and at least half of that group's cards are among them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from features.progress import Progress
from models.rings.communities.finding import DEFAULTS, find_rings
from models.rings.communities.suspicion import RingSettings
from models.rings.communities.types import FraudRing
from streaming.simulator import CampaignMix, RingShape, Scenario, simulate

TENTH = 10
_PURE, _HALF = 0.8, 0.5
_RING = "mule_ring"
_BASE = Scenario(transactions=10_000, customers=1_000, days=60, fraud_rate=0.02, campaigns=CampaignMix(mule_ring=0.6))
# The figures of one history: each of these is drawn for it.
SIZES = {"small": (3, 5), "medium": (4, 9), "large": (8, 20)}
DENSITIES = {"dense": ((1, 2), (1, 2)), "medium": ((1, 3), (2, 4)), "sparse": ((3, 8), (3, 8))}
DISGUISES = {"low": (0.05, 0.04), "medium": (0.25, 0.1), "high": (0.45, 0.2)}  # own phones; frauds never reported


@dataclass(frozen=True, slots=True, eq=False)
class Planted:
    """A campaign's cards, people and payments, in the order of time."""

    kind: str
    cards: "pd.Series[Any]"  # one entry a payment
    people: int
    times: "pd.Series[Any]"

    def before(self, moment: pd.Timestamp) -> frozenset[str]:
        """Return the cards that had paid before ``moment``."""
        return frozenset(self.cards[self.times < moment])


@dataclass(frozen=True, slots=True)
class History:
    """What one seed made: payments, campaigns, and how its rings were drawn (size, density, disguise)."""

    table: pd.DataFrame
    campaigns: list[Planted]
    drawn: dict[str, str]


def benchmark_rings(
    seeds: Sequence[int],
    *,
    every_days: float | None = None,
    settings: RingSettings = DEFAULTS,
    progress: Progress,
) -> dict[str, Any]:
    """Return precision, recall and how early rings are found, over one history a seed.

    Precision and recall are those at the end of each history, with the labels that had become known by then.
    With ``every_days``, the search is repeated every so many days, and the last figures say how many payments the
    planted rings with ten or more had made when they were found.
    """
    tally = _Tally()
    for done, seed in enumerate(seeds):
        progress(done, len(seeds))
        history = simulated(seed)
        end = history.table["event_time"].max() + timedelta(microseconds=1)
        found = find_rings(history.table, end.to_pydatetime(), settings=settings)
        tally.end(history, found)
        if every_days is not None:
            tally.times(_payments_until_found(history, every_days, settings))
    progress(len(seeds), len(seeds))
    return tally.result(len(seeds))


def simulated(seed: int) -> History:
    """Simulate one history; its rings' size, density and disguise are drawn with the same seed."""
    rng = np.random.default_rng(seed)
    size, density, disguise = (str(rng.choice(list(names))) for names in (SIZES, DENSITIES, DISGUISES))
    own, unreported = DISGUISES[disguise]
    shape = RingShape(
        members=SIZES[size],
        devices=DENSITIES[density][0],
        addresses=DENSITIES[density][1],
        camouflage=own,
        own_addresses=disguise != "low",
    )
    made = simulate(replace(_BASE, seed=seed, rings=shape, unreported_share=unreported))
    drawn = {"size": size, "density": density, "disguise": disguise}
    return History(made.transactions, list(_campaigns(made.transactions, made.truth)), drawn)


def _campaigns(table: pd.DataFrame, truth: pd.DataFrame) -> Iterator[Planted]:
    columns = ["transaction_id", "event_time", "card_id", "customer_id"]
    joined = truth.merge(table[columns].astype({"card_id": str, "customer_id": str}), on="transaction_id")
    for _, rows in joined.sort_values("event_time").groupby("campaign_id"):
        yield Planted(rows["campaign"].iloc[0], rows["card_id"], rows["customer_id"].nunique(), rows["event_time"])


def matches(found: Iterable[FraudRing], cards: frozenset[str]) -> bool:
    """Tell whether one of ``found`` is the group with these ``cards``."""
    return any(_is(ring.card_ids(), cards) for ring in found)


def _is(found: frozenset[str], planted: frozenset[str]) -> bool:
    both = len(found & planted)
    return both >= _PURE * len(found) and both >= _HALF * len(planted) > 0


def _payments_until_found(history: History, every_days: float, settings: RingSettings) -> list[float]:
    """Return how many payments each ring with ten or more had made when it was found; infinite where it never was."""
    waiting = [group for group in _rings(history) if len(group.times) >= TENTH]
    counts: list[float] = []
    start, end = history.table["event_time"].min(), history.table["event_time"].max()
    for moment in pd.date_range(start, end, freq=pd.Timedelta(days=every_days))[1:]:
        begun = [group for group in waiting if len(group.before(moment)) >= settings.holders]
        if not begun:
            continue
        found = find_rings(history.table, moment.to_pydatetime(), settings=settings)
        for group in begun:
            if matches(found, group.before(moment)):
                counts.append(float((group.times < moment).sum()))
                waiting.remove(group)  # each group equals itself alone
    return counts + [np.inf] * len(waiting)


def _rings(history: History) -> list[Planted]:
    return [group for group in history.campaigns if group.kind == _RING and group.people >= DEFAULTS.holders]


class _Tally:
    """Adds up what the histories gave."""

    def __init__(self) -> None:
        self._planted: Counter[str] = Counter()
        self._recalled: Counter[str] = Counter()
        self._found: Counter[tuple[str, str]] = Counter()  # pattern, what it is
        self._counts: list[float] = []

    def end(self, history: History, found: list[FraudRing]) -> None:
        """Add what was found at the end of a history."""
        names = ["all", *(f"{what}: {how}" for what, how in history.drawn.items())]
        for group in _rings(history):
            self._planted.update(names)
            if matches(found, frozenset(group.cards)):
                self._recalled.update(names)
        for ring in found:
            kinds = [group.kind for group in history.campaigns if _is(ring.card_ids(), frozenset(group.cards))]
            self._found[ring.pattern, kinds[0] if kinds else "nothing planted"] += 1

    def times(self, counts: list[float]) -> None:
        """Add how many payments rings had made when they were found."""
        self._counts += counts

    def result(self, histories: int) -> dict[str, Any]:
        """Return all figures; None where there is nothing to divide by."""
        right = {pattern: self._found[pattern, _RING] for pattern in ("returning", "passing")}
        total = {pattern: sum(n for (p, _), n in self._found.items() if p == pattern) for pattern in right}
        nothing = sum(count for (_, kind), count in self._found.items() if kind == "nothing planted")
        counts = np.array(self._counts)
        return {
            "histories": histories,
            "planted": self._planted["all"],
            "found": sum(total.values()),
            "recall": _share(self._recalled["all"], self._planted["all"]),
            "precision": _share(sum(total.values()) - nothing, sum(total.values())),
            "returning": total["returning"],
            "returning_precision": _share(right["returning"], total["returning"]),
            "found_by_kind": {f"{pattern} {kind}": n for (pattern, kind), n in sorted(self._found.items())},
            "recall_by": {
                name: _share(self._recalled[name], count)
                for name, count in sorted(self._planted.items())
                if name != "all"
            },
            "rings_of_ten": len(counts),
            "median_payments_until_found": _finite(np.median(counts)) if len(counts) else None,
            "before_tenth": _share(int((counts < TENTH).sum()), len(counts)),
            "never_found": int(np.isinf(counts).sum()),
        }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None

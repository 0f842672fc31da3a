"""Late delivery: which transactions come late, and which feature values that may change.

In order, live features and a replay's are the same bits. Once transaction u is delivered late, those of a transaction t
may differ in the features of an entity that both have in common, and only for one of these causes:

1. *Unseen*: u happened before t but was delivered after it, so t misses u. Only windows that hold u may differ; for
   label features those that hold the arrival of u's label, which is folded after u.
2. *Seen early*: t itself is late, and a later transaction (for label features: a later label) of the entity was folded
   before it. Reads are as of event time, so windows are the same; but what has no window looks at what the state
   remembers or saw last, which the later event may have pushed out.
3. *Outgrown*: more transactions than the entity remembers are younger than the window's old edge, so that part of the
   window comes from tiles. Then the window reaches back up to a tile further, the order of adding u to a tile shows in
   the last bits of sums as long as the window holds u, and what was seen early may have moved the edge between memory
   and tiles. By how much is bounded (see `features.kernel_tiles`); ``tests/unit/features/test_lateness.py`` holds late
   reads against that bound.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.catalogue import FEATURES
from features.feature import Feature
from features.history import Integers
from features.state_layout import ALLOWED_LATENESS_US, DAY_US, EVENT_LIMIT, HOUR_US, OUTCOME_LIMIT, TILES
from features.store import ENTITIES, Entity
from features.table import KEY_COLUMNS

Marks = NDArray[np.bool_]
_SPANS = {"10m": HOUR_US // 6, "1h": HOUR_US, "24h": DAY_US, "7d": 7 * DAY_US, "30d": 30 * DAY_US}
_WHOLE_MEMORY = ("card_velocity_1h", "card_velocity_24h")  # compare their window with everything remembered
_NEVER = np.iinfo(np.int64).max
_LONG_AGO = np.iinfo(np.int64).min // 2


@dataclass(frozen=True, slots=True)
class Delivery:
    """When each row of a table was delivered: ``times`` and ``delivered`` in microseconds, ``order`` of rows."""

    times: Integers
    delivered: Integers
    order: Integers

    @property
    def late(self) -> Marks:
        """Which rows were delivered late."""
        return self.delivered > self.times


def make_delivery(table: pd.DataFrame, share: float = 0.0, seed: int = 0) -> Delivery:
    """Delay ``share`` of the rows by up to the allowed lateness; the same seed delays the same rows alike.

    Rows that have their moment in common with another row stay in place: their order is nothing but their arrival.
    """
    times = pd.DatetimeIndex(table["event_time"]).as_unit("us").asi8
    alone = np.flatnonzero(~pd.Series(times).duplicated(keep=False))
    rng = np.random.default_rng(seed)
    late = rng.choice(alone, size=min(round(share * len(times)), len(alone)), replace=False)
    delivered = times.copy()
    delivered[late] += rng.integers(1, ALLOWED_LATENESS_US, size=len(late), endpoint=True)
    return Delivery(times, delivered, np.argsort(delivered, kind="stable"))


def explained_by_lateness(table: pd.DataFrame, delivery: Delivery) -> Marks:
    """Return which values (rows, features) may differ because of late deliveries."""
    explained = np.zeros((len(table), len(FEATURES)), np.bool_)
    known = _known(table, delivery.times)
    for entity in ENTITIES:
        causes = _causes(table[KEY_COLUMNS[entity]], entity, delivery, known)
        for at, feature in enumerate(FEATURES):
            if feature.entity == entity:
                explained[:, at] = causes["labels" if feature.source == "labels" else "transactions"].explain(
                    feature, delivery.times
                )
    return explained


@dataclass(frozen=True, slots=True)
class _Causes:
    """Per row: newest moment ``unseen``, whether something was ``seen_early``, newest late ``past``.

    ``outgrown`` says by length of window in which rows it may be partly forgotten.
    """

    unseen: Integers
    seen_early: Marks
    outgrown: dict[int, Marks]
    past: Integers

    def explain(self, feature: Feature, times: Integers) -> Marks:
        """Say in which rows the feature may differ."""
        span = None if feature.name in _WHOLE_MEMORY else _SPANS.get(feature.window)
        if span is None:
            return (self.unseen > _LONG_AGO) | self.seen_early
        outgrown = self.outgrown[span]
        moved = np.where(outgrown, np.maximum(self.unseen, self.past), self.unseen)
        return (moved > times - span - outgrown * (span // TILES)) | (self.seen_early & outgrown)


def _known(table: pd.DataFrame, times: Integers) -> Integers:
    """Return when each row's label counts from; never, where there is none."""
    labelled = (table["is_fraud"].notna() & table["label_time"].notna()).to_numpy()
    return np.where(labelled, np.maximum(pd.DatetimeIndex(table["label_time"]).as_unit("us").asi8, times), _NEVER)


def _causes(keys: "pd.Series[str]", entity: Entity, delivery: Delivery, known: Integers) -> dict[str, _Causes]:
    """Find the causes for one entity, for features from transactions and from labels."""
    rows, times, delivered, late = len(keys), delivery.times, delivery.delivered, delivery.late
    position = np.empty(rows, np.int64)
    position[delivery.order] = np.arange(rows)
    unseen, unseen_labels, past = (np.full(rows, _LONG_AGO) for _ in range(3))
    early, early_labels = np.zeros(rows, np.bool_), np.zeros(rows, np.bool_)
    code = ENTITIES.index(entity)
    outgrown = {span: np.zeros(rows, np.bool_) for span in _SPANS.values()}
    outcomes = np.zeros(rows, np.int64)  # how many outcomes the state can hold at most
    for members in _groups(keys):
        outcomes[members] = np.arange(len(members))
        if len(members) > EVENT_LIMIT[code]:
            for span, marks in outgrown.items():
                marks[members] = _younger(times[members], delivered[members], span) > EVENT_LIMIT[code]
        moments, labels = times[members], np.sort(known[members])
        past[members[1:]] = np.maximum.accumulate(np.where(late[members], moments, _LONG_AGO))[:-1]
        for place in np.flatnonzero(late[members]):
            one = members[place]
            until = np.searchsorted(moments, delivered[one], "right")
            overtaking = members[place + 1 : until]
            overtaking = overtaking[position[overtaking] < position[one]]
            unseen[overtaking] = np.maximum(unseen[overtaking], times[one])
            aware = overtaking[times[overtaking] >= known[one]]
            unseen_labels[aware] = np.maximum(unseen_labels[aware], known[one])
            early[one] = len(overtaking) > 0
            outcomes[one] += len(overtaking)
            first, end = np.searchsorted(labels, (times[one], delivered[one]), "right")
            early_labels[one] = end - first > (times[one] < known[one] <= delivered[one])  # more than its own
    never = np.full(rows, _LONG_AGO)  # label tiles hold counts, whose order of adding does not show
    return {
        "transactions": _Causes(unseen, early, outgrown, past),
        "labels": _Causes(
            unseen_labels, early_labels, dict.fromkeys(_SPANS.values(), outcomes > OUTCOME_LIMIT[code]), never
        ),
    }


def _younger(times: Integers, delivered: Integers, span: int) -> Integers:
    """Return how many others were at most delivered before each, and are younger than its window's old edge."""
    return np.searchsorted(times, delivered, "right") - np.searchsorted(times, times - span, "right") - 1


def _groups(keys: "pd.Series[str]") -> list[Integers]:
    """Return the rows of each key, in order; rows without a key are in none."""
    codes, _ = pd.factorize(keys)
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes + 1, minlength=1))
    return np.split(order, ends[:-1])[1:]

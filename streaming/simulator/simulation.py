"""Simulates a scenario: honest transactions, fraud campaigns, labels, one table in event-time order."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.progress import Progress
from streaming.simulator import frames
from streaming.simulator.draws import Ints
from streaming.simulator.fraud import FRIENDLY, KINDS, Fraud, fraud_rows
from streaming.simulator.honest import honest_rows
from streaming.simulator.labels import friendly_fraud, label_delay_ms
from streaming.simulator.rows import Rows, concat
from streaming.simulator.scenario import Scenario
from streaming.simulator.scene import make_scene
from streaming.simulator.world import build_world

_TIE_BITS = 20


@dataclass(frozen=True)
class Simulation:
    """A simulated history.

    ``transactions`` is the canonical table (`features.table`), sorted by event time; honest transactions get their
    ``label_time`` after `LabelDelay.honest_after_days`. ``truth`` has one row for each transaction of a campaign:
    transaction_id, campaign, campaign_id, ring_id. It includes the campaigns' unreported transactions (labelled as
    honest) and disputed honest ones (campaign ``friendly``, labelled as fraud). ``customers`` holds homes, incomes and
    the sensitive attributes age_band and gender; ``merchants`` categories and places.
    """

    transactions: pd.DataFrame
    truth: pd.DataFrame
    customers: pd.DataFrame
    merchants: pd.DataFrame


@dataclass(frozen=True, slots=True)
class _Behind:
    """What is behind each row, shape (n,): kind (index into `KINDS`), campaign, ring; -1 where nothing is."""

    kind: Ints
    campaign: Ints
    ring: Ints
    is_fraud: NDArray[np.bool_]


def simulate(scenario: Scenario, *, progress: Progress | None = None) -> Simulation:
    """Simulate ``scenario``; ``progress`` is called with (transactions made, transactions wanted)."""
    streams = np.random.default_rng(scenario.seed).spawn(5)
    total = scenario.transactions
    labelled = round(scenario.fraud_rate * total)
    friendly = round(labelled * scenario.friendly_share)
    criminal = round((labelled - friendly) / (1 - scenario.unreported_share))
    report = progress if progress is not None else _silent
    report(0, total)
    world = build_world(streams[0], scenario)
    honest = honest_rows(world, streams[1], total - criminal, lambda made: report(made, total))
    scene = make_scene(world, honest, streams[2], scenario.rings)
    fraud = fraud_rows(scene, criminal, scenario.campaigns.weights())
    behind = _behind(streams[3], honest, fraud, friendly, labelled)
    delay = label_delay_ms(streams[3], behind.is_fraud, behind.kind == KINDS.index(FRIENDLY), scenario.label_delay)
    made = honest if fraud is None else concat([honest, fraud.rows])
    order = _event_order(streams[3], made.time)
    ids = frames.transaction_ids(streams[4], total)
    sold = np.flatnonzero(behind.kind[order] >= 0)
    source = order[sold]
    simulation = Simulation(
        transactions=frames.transactions_frame(
            streams[4],
            scenario,
            world,
            made.take(order),
            ids=ids,
            is_fraud=behind.is_fraud[order],
            delay_ms=delay[order],
        ),
        truth=frames.truth_frame(ids[sold], behind.kind[source], behind.campaign[source], behind.ring[source]),
        customers=frames.customers_frame(world),
        merchants=frames.merchants_frame(world),
    )
    report(total, total)
    return simulation


def _behind(rng: np.random.Generator, honest: Rows, fraud: Fraud | None, friendly: int, labelled: int) -> _Behind:
    """Number the campaigns over all rows (honest first) and decide which rows end up labelled as fraud."""
    disputed = friendly_fraud(rng, honest, friendly)
    count = len(honest)
    total = count + (len(fraud.rows) if fraud is not None else 0)
    kind, campaign, ring = (np.full(total, -1) for _ in range(3))
    is_fraud = np.zeros(total, dtype=np.bool_)
    first = 0
    if fraud is not None:
        kind[count:], campaign[count:], ring[count:] = fraud.kind, fraud.campaign, fraud.ring
        noticed = rng.permutation(total - count)[: labelled - friendly]
        is_fraud[count + noticed] = True
        first = int(fraud.campaign.max()) + 1
    kind[disputed] = KINDS.index(FRIENDLY)
    campaign[disputed] = first + np.arange(friendly)
    is_fraud[disputed] = True
    return _Behind(kind, campaign, ring, is_fraud)


def _event_order(rng: np.random.Generator, time: Ints) -> Ints:
    """Return the order by time, equal times in random order, so that a position says nothing of how a row was made."""
    ties = rng.integers(0, 2**_TIE_BITS, time.size)
    return np.argsort((time.astype(np.int64) << _TIE_BITS) | ties, kind="stable")


def _silent(done: int, total: int) -> None:
    """Report progress to nobody."""

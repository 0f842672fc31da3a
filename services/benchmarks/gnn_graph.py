"""Random graphs of payments of any size, for timing: made column by column, without a table in between."""

import numpy as np
import pandas as pd

from features.embeddings import NODE_TYPES
from features.epoch import from_epoch_us
from features.transaction import Transaction
from models.rings.graph import NEVER, RingGraph, assemble

DAYS = 90
START_US = 1_735_689_600_000_000  # 2025-01-01
DAY_US = 86_400_000_000
EVENTS_OF = {"card": 30, "merchant": 300, "device": 12, "ip": 8, "account": 3}  # on average
SHARE = {"card": 1.0, "merchant": 1.0, "device": 0.6, "ip": 0.6, "account": 0.1}  # of events that name one


def random_graph(edges: int, seed: int) -> RingGraph:
    """Return a graph of about ``edges`` edges: some entities far busier than others, four labels in five known."""
    random = np.random.default_rng(seed)
    count = round(edges / sum(share for kind, share in SHARE.items() if kind != "card"))
    codes = np.full((count, len(NODE_TYPES)), -1, np.int32)
    names = []
    for place, kind in enumerate(NODE_TYPES):
        size = max(2, round(count * SHARE[kind] / EVENTS_OF[kind]))
        drawn = (size * random.random(count) ** 1.5).astype(np.int32)  # low numbers come up more often
        codes[:, place] = np.where(random.random(count) < SHARE[kind], drawn, -1)
        names.append(pd.Index([f"{kind}_{number}" for number in range(size)], dtype=object))
    time = np.sort(START_US + random.integers(0, DAYS * DAY_US, count))
    known = random.random(count) < 0.8
    delay = (random.exponential(6 * DAY_US, count)).astype(np.int64)
    return assemble(
        time=time,
        amount=np.log1p(random.lognormal(3.0, 1.0, count)).astype(np.float32),
        label=(random.random(count) < 0.005).astype(np.int8),
        label_time=np.where(known, time + delay, NEVER),
        codes=codes,
        names=tuple(names),
    )


def transactions_of(graph: RingGraph, count: int) -> list[Transaction]:
    """Return the newest events of a graph as transactions."""
    made = []
    for event in range(len(graph.time) - count, len(graph.time)):
        card, merchant, device, ip, account = (
            graph.name(int(node))[1] if node >= 0 else None for node in graph.nodes[event]
        )
        made.append(
            Transaction(
                transaction_id=f"t{event}",
                event_time=from_epoch_us(int(graph.time[event])),
                card_id=str(card),
                merchant_id=str(merchant),
                amount=round(float(np.expm1(graph.amount[event])), 2),
                currency="EUR",
                device_id=device,
                ip=ip,
                counterparty_id=account,
            )
        )
    return made

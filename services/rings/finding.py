"""Finding rings and keeping what was found in the state directory."""

from datetime import datetime

import pandas as pd

from features.errors import DataError
from features.progress import Progress
from models.rings.communities.finding import DEFAULTS, rings_of
from models.rings.communities.links import past_of
from models.rings.communities.neighbours import encode_links
from models.rings.communities.snapshot import FORMAT, RingSnapshot, latest_snapshot, save_snapshot
from models.rings.communities.suspicion import RingSettings
from models.rings.communities.types import FraudRing
from services.state_directory import StateDirectory
from streaming.scoring import utc_now


def find_and_save(
    state: StateDirectory,
    table: pd.DataFrame,
    at: datetime | None,
    *,
    settings: RingSettings = DEFAULTS,
    progress: Progress,
) -> RingSnapshot:
    """Find the rings of a canonical table as known at ``at`` (UTC) and keep them as a snapshot.

    Without ``at``, everything in the table counts. Rings keep the ids that they have in the last snapshot before.
    Raises `DataError` where the table has no transaction before ``at``.
    """
    moment = at or (table["event_time"].max() + pd.Timedelta(1, "us")).to_pydatetime()
    progress(0, 3)
    past = past_of(table, moment, settings.days)
    if past.payments.empty:
        raise DataError(
            f"None of the {len(table):,} transactions is from the {settings.days:g} days before {moment}.",
            remedy="Name a later --at, or more --days.",
        )
    progress(1, 3)
    former = latest_snapshot(state.rings, before=moment)
    rings = rings_of(past, settings, former.rings if former else ())
    progress(2, 3)
    snapshot = RingSnapshot(
        format=FORMAT,
        version="",
        at=moment,
        made_at=utc_now(),
        settings=settings,
        transactions=len(past.payments),
        rings=tuple(rings),
        links_sha256="",
    )
    saved = save_snapshot(state.rings, snapshot, encode_links(past))
    progress(3, 3)
    return saved


def known_rings(state: StateDirectory) -> RingSnapshot:
    """Return the last snapshot; raise `DataError` if there is none."""
    snapshot = latest_snapshot(state.rings)
    if snapshot is None:
        raise DataError(f"No rings were looked for yet in {state.rings}.", remedy="Run `ringfence rings find`.")
    return snapshot


def known_ring(state: StateDirectory, ring_id: str) -> tuple[RingSnapshot, FraudRing]:
    """Return the last snapshot and one of its rings; raise `DataError` for an id that it does not have."""
    snapshot = known_rings(state)
    ring = snapshot.find(ring_id)
    if ring is None:
        raise DataError(
            f"No ring {ring_id!r} was known at {snapshot.at}.", remedy="`ringfence rings list` has those that were."
        )
    return snapshot, ring

"""Fraud rings and embeddings kept up to date from the ledger, by the clock."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Event as Flag
from time import monotonic
from typing import Any

import pandas as pd
import structlog

from features.errors import DataError, RingfenceError
from features.state_layout import ALLOWED_LATENESS_US
from monitoring.metrics import Metrics
from services.composition import Root
from services.extras import need_gnn
from services.ledger_history import table_of
from services.rings.finding import find_and_save
from streaming.scoring import utc_now

log = structlog.get_logger(__name__)
RETRY_S = 60.0


@dataclass(slots=True)
class Job:
    """Work that is done every so many seconds, from start to start; ``due`` is the monotonic time of the next."""

    name: str
    every_s: float
    work: Callable[[], dict[str, Any]]
    due: float = 0.0


def by_the_clock(jobs: Sequence[Job], metrics: Metrics, stop: Flag, *, retry_s: float = RETRY_S) -> None:
    """Do what is due, one job at a time, until ``stop`` is set; what is not done is tried again after ``retry_s``."""
    while not stop.is_set():
        job = min(jobs, key=lambda one: one.due)
        if stop.wait(max(0.0, job.due - monotonic())):
            return
        began = monotonic()
        done = _tried(job)
        if done is not None:
            metrics.refreshed(job.name, ok=done)
        job.due = began + (job.every_s if done else min(retry_s, job.every_s))


def _tried(job: Job) -> bool | None:
    """Return whether the work is done; None where there is nothing to do yet."""
    try:
        log.info("done", job=job.name, **job.work())
    except DataError as error:
        log.info("nothing to do yet", job=job.name, reason=str(error))
        return None
    except RingfenceError as error:
        log.error("not done; trying again", job=job.name, error=str(error))
        return False
    except Exception:  # whatever one round meets, the next may not
        log.exception("not done; trying again", job=job.name)
        return False
    return True


def find_job(root: Root, hours: float) -> Job:
    """Return the search for rings among all that the ledger knows."""

    def find() -> dict[str, Any]:
        moment = utc_now()
        snapshot = find_and_save(root.state, _payments(root, moment), moment, progress=_untold)
        return {"version": snapshot.version, "transactions": snapshot.transactions, "rings": len(snapshot.rings)}

    return Job("find", hours * 3600, find)


def embed_job(root: Root, hours: float, device: str) -> Job:
    """Return the computation of embeddings for the champion's network.

    The first, and the first after a change of network, is of all entities; later ones are of those that something
    happened to since the one before, payments that came late included.
    """
    need_gnn()
    from models.rings.training import choose_device  # noqa: PLC0415 the extra `gnn` only
    from services.rings.embedding import embed_rings, needed_ring_model  # noqa: PLC0415

    used = choose_device(device)
    last: tuple[str, pd.Timestamp] | None = None  # the network, and as of when its embeddings are

    def embed() -> dict[str, Any]:
        nonlocal last
        bundle = needed_ring_model(root.state)
        if bundle is None:
            raise DataError("No ring model is served.", remedy="Run `ringfence train --rings`.")
        as_of = pd.Timestamp(utc_now())
        since = last[1] - pd.Timedelta(ALLOWED_LATENESS_US, "us") if last and last[0] == bundle.version else None
        table = _payments(root, as_of.to_pydatetime())
        store = root.embeddings()
        try:
            found = embed_rings(bundle, table, store, as_of=as_of, since=since, device=used, step=lambda _: _untold)
        finally:
            store.close()
        last = bundle.version, as_of
        return {"model": bundle.version, "everything": since is None, **found}

    return Job("embed", hours * 3600, embed)


def _payments(root: Root, moment: datetime) -> pd.DataFrame:
    ledger = root.ledger()
    try:
        return table_of(ledger, moment)
    finally:
        ledger.close()


def _untold(_done: int, _total: int) -> None:
    """Hear of progress that nobody watches."""

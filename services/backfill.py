"""Back-fills a history into a state directory: its features to Parquet, its last states to the online store."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from features.backfill import fold_chunks
from features.backfill_work import BackfillWork
from features.catalogue import NAMES
from features.errors import StateError
from features.history import make_history
from features.progress import Progress
from features.store import HISTORY_OF
from features.stores.feast_store import FeastStore
from services.announce import announce
from services.composition import Root
from services.training import before

_STATES = 20_000  # loaded at a time


@dataclass(frozen=True, slots=True)
class Backfill:
    """Where the parts go, how many events make one, and when the history ends: with its last row if None."""

    out: Path
    chunk: int
    until: datetime | None


def run_backfill(
    root: Root, work: BackfillWork, task: Backfill, table: pd.DataFrame, fold: Progress, load: Progress
) -> None:
    """Fold a canonical table, or what is left of it, then leave its last states in the online store.

    Raises `StateError` where payments have been decided on the online store already.
    """
    check_not_live(root)
    if task.until is not None:
        table = before(table, pd.Timestamp(task.until))
    fold_chunks(make_history(table, task.until), table, work, task.out, chunk=task.chunk, progress=fold)
    check_not_live(root)  # folding takes long enough for a worker to be started meanwhile
    last = table["event_time"].iloc[-1]
    ledger = root.ledger()
    announce(ledger, table, last if task.until is None else pd.Timestamp(task.until))
    store = root.feature_store()
    _load(store, work, last.to_pydatetime(), load)
    store.register_history(task.out)
    store.claim(HISTORY_OF + ledger.identity())
    store.close()
    ledger.close()
    work.mark_installed(str(root.state.path))


def restore(root: Root, work: BackfillWork, load: Progress) -> bool:
    """Load a finished back-fill again where the online store has lost its states; False where it has not.

    Workers fold what was decided since, as soon as they find it.
    """
    store, ledger = root.feature_store(), root.ledger()
    lost = store.owner() is None
    if lost:
        _load(store, work, datetime.now(UTC), load)
        store.claim(HISTORY_OF + ledger.identity())
    store.close()
    ledger.close()
    return lost


def is_finished(root: Root, work: BackfillWork) -> bool:
    """Tell whether the history lies in this state directory already."""
    return work.installed == str(root.state.path)


def check_not_live(root: Root) -> None:
    """Raise `StateError` unless the ledger is empty: what was learnt live would be lost."""
    ledger = root.ledger()
    decisions, live = ledger.count(), bool(ledger.sources())
    ledger.close()
    if decisions or live:
        raise StateError(
            f"{root.state.path} is live: its ledger holds {decisions:,} decisions, and what was folded into the online"
            " store with them would be lost.",
            remedy="Back-fill into a new --state directory and ledger, before the first payment is decided there.",
        )


def summary(work: BackfillWork, out: Path) -> dict[str, object]:
    """Return what a back-fill has made so far."""
    position = work.position
    return {
        "transactions": position.transactions,
        "labels": position.labels,
        "features": len(NAMES),
        "parts": position.parts,
        "states": work.counts(),
        "out": str(out),
    }


def _load(store: FeastStore, work: BackfillWork, as_of: datetime, progress: Progress) -> None:
    done, total = 0, sum(work.counts().values())
    for entity, states in work.states(_STATES):
        done += store.bulk_load({entity: states}, as_of)
        progress(done, total)

"""Back-fill: a history folded chunk by chunk, so that it fits into memory and goes on where it was interrupted.

For each chunk of the history's order the Parquet part is made, then the states and the position are changed in one
transaction. A process that dies in between writes the same part again.
"""

from collections import deque
from pathlib import Path

import pandas as pd

from features.backfill_chunk import take_chunk
from features.backfill_parts import part_paths, remove_parts, write_part
from features.backfill_work import FILE, BackfillWork, Position, lock_work, remove_work
from features.errors import ConfigurationError, StateError
from features.history import History
from features.progress import Progress
from features.replay import fold_history
from features.state import Arena

CHUNK = 500_000  # events: their features, and the states that they touch, are in memory at a time


def open_work(directory: Path, fingerprint: str, *, restart: bool = False) -> BackfillWork:
    """Open the working file of a back-fill, making ``directory`` and the file where there are none.

    ``restart`` deletes an earlier back-fill first. Raises `StateError` where ``directory`` holds a back-fill of
    something else or one at work, `ConfigurationError` where it cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = lock_work(directory)
        try:
            if restart:
                remove_work(directory)  # first: parts without it are never taken for whole
                remove_parts(directory)
            elif not (directory / FILE).exists() and part_paths(directory):
                raise StateError(
                    f"{directory} holds parts of features, but not the file {FILE} that they belong to.",
                    remedy="Delete them with --restart, or choose another --out.",
                )
            return BackfillWork(directory, lock, fingerprint)
        except BaseException:
            lock.close()
            raise
    except OSError as exc:
        raise ConfigurationError(
            f"{directory} cannot be used: {exc.strerror or exc}.",
            remedy="Choose a folder for --out that this user may write.",
        ) from exc


def fold_chunks(
    history: History,
    table: pd.DataFrame,
    work: BackfillWork,
    directory: Path,
    *,
    chunk: int = CHUNK,
    progress: Progress | None = None,
) -> None:
    """Fold what is left of ``history``, which was made from ``table``, in chunks of so many events.

    Leaves the features of `features.replay.replay` in the parts of ``directory``, and its states in ``work``.
    ``progress`` is called with events done and events in all.
    """
    total = len(history.order)
    position = work.position
    if progress is not None:
        progress(position.events, total)
    while position.events < total:
        position = _fold_chunk(history, table, work, directory, position, min(position.events + chunk, total))
        if progress is not None:
            progress(position.events, total)


def _fold_chunk(
    history: History, table: pd.DataFrame, work: BackfillWork, directory: Path, position: Position, end: int
) -> Position:
    cut = take_chunk(history, position.events, end)
    part = cut.history
    arena = Arena.load(work.read(part.keys), part.entities, part.transactions, part.labels)
    features = fold_history(part, arena)
    transactions = cut.last - cut.first
    if transactions:
        write_part(directory, position.parts, table.iloc[cut.first : cut.last], features)
    else:
        deque(features, maxlen=0)  # only labels, whose features nobody asks for
    arena.reset_markers()  # they number the events of one fold; the position keeps a chunk from being applied twice
    position = Position(
        end,
        position.transactions + transactions,
        position.labels + len(part.order) - transactions,
        position.parts + bool(transactions),
    )
    work.commit(part.keys, arena.pack(), position)
    return position

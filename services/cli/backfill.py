"""The command that back-fills a labelled history."""

from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Annotated

import pandas as pd
import typer

from features.backfill import CHUNK, open_work
from features.backfill_identity import fingerprint
from features.datasets.mapping import load_mapping
from services.backfill import Backfill, check_not_live, is_finished, restore, run_backfill, summary
from services.cli.options import DATA, JSON, MAPPING, STATE
from services.cli.output import err, print_json, print_table, steps
from services.cli.table import read
from services.composition import Root
from services.settings import Settings
from services.state_directory import open_state


def backfill(
    data: DATA,
    mapping: MAPPING = "simulator",
    out: Annotated[
        Path | None, typer.Option("--out", help="Directory of the features; `backfill` in the state if absent.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--until", help="Use only what happened before and was known by this time (UTC).")
    ] = None,
    chunk: Annotated[
        int, typer.Option("--chunk", min=1, help="Transactions and labels in one part.", metavar="ROWS")
    ] = CHUNK,
    restart: Annotated[bool, typer.Option("--restart", help="Delete what lies in --out and begin anew.")] = False,
    state: STATE = None,
    as_json: JSON = False,
) -> None:
    """Replay a history: its features to Parquet, its last states to the online store. Goes on where it was stopped."""
    started = perf_counter()
    settings = Settings()
    root = Root(settings, open_state(state or settings.state))
    end = pd.Timestamp(until, tz="UTC").to_pydatetime() if until else None
    task = Backfill((out or root.state.backfill).absolute(), chunk, end)
    identity = fingerprint(data, load_mapping(mapping), end)
    if restart:
        check_not_live(root)
    work = open_work(task.out, identity, restart=restart)
    try:
        before = work.position
        if is_finished(root, work):
            err.print(f"This back-fill is finished already: its features are in {task.out}.")
            with steps() as bars:
                restored = restore(root, work, bars.step("loading the feature store"))
            if restored:
                err.print("The feature store had lost its states. They are back; workers fold what was decided since.")
        else:
            if before.events:
                err.print(f"Going on after {before.transactions:,} transactions and {before.labels:,} labels.")
            check_not_live(root)
            table = read(data, mapping)
            with steps() as bars:
                fold, load = map(bars.step, ("computing features", "loading the feature store"))
                run_backfill(root, work, task, table, fold, load)
        result = summary(work, task.out)
        rows = work.position.transactions - before.transactions
    finally:
        work.close()
    seconds = perf_counter() - started
    result |= {"seconds": round(seconds, 3), "rows_per_s": round(rows / seconds, 1)}
    print_json(result) if as_json else print_table("Back-filled", result)

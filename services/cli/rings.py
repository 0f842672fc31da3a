"""Commands on fraud rings: rings find, list, show, quality."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pandas as pd
import typer
from rich.markup import escape
from rich.table import Table

from features.durable import replace_file
from features.errors import ConfigurationError
from models.rings.communities.suspicion import RingSettings
from models.rings.communities.types import FraudRing, Money
from services.benchmarks.rings import benchmark_rings
from services.cli.options import JSON, MAPPING, SEED, STATE
from services.cli.output import out, print_json, print_table, progress, say
from services.cli.table import read
from services.composition import Root
from services.ledger_history import table_of
from services.rings.finding import find_and_save, known_ring, known_rings
from services.rings.picture.page import page
from services.rings.picture.svg import picture
from services.settings import Settings
from services.state_directory import open_state
from streaming.scoring import utc_now

SHOWN_EDGES = 20


def find(
    data: Annotated[
        Path | None, typer.Option("--data", help="CSV or Parquet file of transactions; the ledger when absent.")
    ] = None,
    mapping: MAPPING = "simulator",
    at: Annotated[
        datetime | None,
        typer.Option("--at", help="Use only what was known before this time (UTC); now, or the end of the file."),
    ] = None,
    days: Annotated[float, typer.Option("--days", min=1, help="How much of the past to look at.")] = 90,
    seed: SEED = 0,
    state: STATE = None,
    as_json: JSON = False,
) -> None:
    """Find fraud rings in the past and keep them; rings that were known before keep their ids."""
    settings = Settings()
    directory = open_state(state or settings.state)
    moment = pd.Timestamp(at, tz="UTC").to_pydatetime() if at else None
    if data is not None:
        table = read(data, mapping)
    else:
        moment = moment or utc_now()
        ledger = Root(settings, directory).ledger()
        with progress("reading the ledger") as tell:
            table = table_of(ledger, moment, progress=tell)
        ledger.close()
    with progress("finding rings") as tell:
        snapshot = find_and_save(directory, table, moment, settings=RingSettings(days=days, seed=seed), progress=tell)
    result = {
        "at": snapshot.at.isoformat(),
        "version": snapshot.version,
        "transactions": snapshot.transactions,
        "rings": len(snapshot.rings),
        "new": sum(ring.found_at == snapshot.at for ring in snapshot.rings),
        "cards": sum(ring.cards for ring in snapshot.rings),
        "state": str(directory.rings),
    }
    print_json(result) if as_json else print_table("Found", result)


def list_(state: STATE = None, as_json: JSON = False) -> None:
    """List the rings of the last run, the highest score first."""
    snapshot = known_rings(open_state(state or Settings().state, create=False))
    if as_json:
        print_json({"at": snapshot.at, "version": snapshot.version, "rings": [summary(r) for r in snapshot.rings]})
        return
    table = Table(title=f"Rings known at {snapshot.at:%Y-%m-%d %H:%M} UTC", title_justify="left", box=None)
    for name in ("ring", "score", "pattern", "cards", "frauds", "first seen", "lost", "at risk"):
        table.add_column(name, justify="left" if name in ("ring", "pattern") else "right", no_wrap=True)
    for ring in snapshot.rings:
        table.add_row(
            ring.ring_id,
            f"{ring.score:.2f}",
            ring.pattern,
            f"{ring.cards:,}",
            f"{ring.frauds:,}",
            f"{ring.first_seen:%Y-%m-%d}",
            money(ring.money_lost),
            money(ring.money_at_risk),
        )
    out.print(table)


def show(
    ring_id: Annotated[str, typer.Argument(help="Id of a ring, as listed.", metavar="ID")],
    svg: Annotated[Path | None, typer.Option("--svg", help="Write the picture of the ring to this file.")] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write the picture and the evidence to this file.")
    ] = None,
    state: STATE = None,
    as_json: JSON = False,
) -> None:
    """Show one ring of the last run: members, evidence and timeline."""
    snapshot, ring = known_ring(open_state(state or Settings().state, create=False), ring_id)
    for path, make in ((svg, picture), (html, page)):
        if path is not None:
            write_picture(path, make(ring, snapshot.at))
    if as_json:
        print_json(ring)
        return
    print_table(ring.ring_id, summary(ring))
    table = Table(box=None, title="Evidence", title_justify="left")
    for name in ("card", "through", "payments", "frauds", "first seen", "last seen"):
        table.add_column(name)
    for edge in ring.edges[:SHOWN_EDGES]:
        times = (f"{time:%Y-%m-%d %H:%M}" if time else "-" for time in (edge.first_seen, edge.last_seen))
        table.add_row(
            *map(escape, (edge.card_id, f"{edge.type} {edge.id}", str(edge.payments), str(edge.frauds), *times))
        )
    out.print(table)
    if len(ring.edges) > SHOWN_EDGES:
        say(f"{len(ring.edges) - SHOWN_EDGES:,} more with --json or --html.")


def quality(
    histories: Annotated[int, typer.Option("--histories", min=1, help="How many to simulate, a seed each.")] = 100,
    every: Annotated[
        float | None,
        typer.Option("--every", min=0.01, help="Also repeat the search every so many days, to see how early it is."),
    ] = None,
    seed: SEED = 0,
    as_json: JSON = False,
) -> None:
    """Measure how well planted rings are found, in simulated histories from --seed on."""
    with progress("finding planted rings") as tell:
        result = benchmark_rings(range(seed, seed + histories), every_days=every, progress=tell)
    print_json(result) if as_json else print_table("Measured", result)


def write_picture(path: Path, content: str) -> None:
    """Write a picture or a page; raises `ConfigurationError` where that fails."""
    try:
        replace_file(path.absolute(), content.encode())
    except OSError as error:
        raise ConfigurationError(
            f"The picture cannot be written to {path}: {error.strerror or error}.",
            remedy="Choose a folder that can be written and has room.",
        ) from error
    say(f"written: {path}")


def summary(ring: FraudRing) -> dict[str, Any]:
    """Return a ring without its members, evidence and timeline."""
    return {
        name: value for name, value in msgspec.to_builtins(ring).items() if name not in ("members", "edges", "timeline")
    }


def money(amounts: Money) -> str:
    """Return amounts as a person reads them: ``EUR 1,234``."""
    return ", ".join(f"{currency} {amount:,.0f}" for currency, amount in amounts.items()) or "-"

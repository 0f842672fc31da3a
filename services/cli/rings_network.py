"""Commands on the ring network: rings train, rings evaluate, rings embed."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from features.errors import ConfigurationError
from models.rings.payments import REFRESH_HOURS
from services.cli.evaluate import read_campaigns
from services.cli.options import DATA, JSON, MAPPING, SEED, STATE
from services.cli.output import print_json, print_table, progress, steps
from services.cli.table import read, simulated
from services.composition import Root
from services.extras import need_gnn
from services.ledger_history import table_of
from services.settings import Settings
from services.state_directory import open_state
from streaming.scoring import utc_now
from streaming.simulator import CHAINS, CampaignMix, RingShape, Scenario

DEVICE = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
REFRESH = Annotated[
    float,
    typer.Option("--refresh-hours", min=0, help="How often embeddings are computed when served; 0: always fresh."),
]
EPOCHS = Annotated[int, typer.Option("--epochs", min=1, help="Passes over the frauds and a share of the rest.")]
OPTIONAL_DATA = Annotated[
    Path | None, typer.Option("--data", help="CSV or Parquet file of transactions; simulated ones if absent.")
]


def train(
    data: DATA,
    mapping: MAPPING = "simulator",
    split: Annotated[
        datetime | None, typer.Option("--split", help="Use only what was known at this time (UTC).")
    ] = None,
    refresh_hours: REFRESH = REFRESH_HOURS,
    epochs: EPOCHS = 10,
    device: DEVICE = "auto",
    seed: SEED = 0,
    state: STATE = None,
    as_json: JSON = False,
) -> None:
    """Train the ring network on a file. It is not served until `ringfence rings evaluate` lets it through."""
    need_gnn()
    from models.rings.training import choose_device  # noqa: PLC0415 the extra `gnn` only
    from services.rings.network import train_rings  # noqa: PLC0415

    used = choose_device(device)
    directory = open_state(state or Settings().state)
    table = read(data, mapping)
    with steps() as bars:
        bundle = train_rings(
            directory,
            table,
            as_of=pd.Timestamp(split, tz="UTC") if split else None,
            refresh_hours=refresh_hours,
            epochs=epochs,
            seed=seed,
            device=used,
            step=bars.step,
        )
    result = {
        "version": bundle.version,
        "trained_until": str(bundle.manifest.trained_until),
        "losses": bundle.manifest.losses,
        "device": str(used),
        "served": False,
        "model": str(directory.ring_models / bundle.version),
    }
    print_json(result) if as_json else print_table("Trained", result)


def evaluate(
    data: OPTIONAL_DATA = None,
    mapping: MAPPING = "simulator",
    campaigns: Annotated[
        Path | None,
        typer.Option("--campaigns", help="CSV or Parquet file of transaction_id and campaign: tells rings apart."),
    ] = None,
    transactions: Annotated[int, typer.Option("--transactions", min=1, help="How many to simulate.")] = 200_000,
    fraud_rate: Annotated[float, typer.Option("--fraud-rate", help="Share of simulated fraud.")] = 0.01,
    ring_weight: Annotated[
        float, typer.Option("--ring-weight", help="Weight of rings among simulated campaigns; the others' sum is 0.86.")
    ] = 0.8,
    ring_chains: Annotated[
        bool, typer.Option("--ring-chains", help="Simulate rings whose members share nothing when they steal.")
    ] = False,
    shuffle_edges: Annotated[
        bool, typer.Option("--shuffle-edges", help="Ask also for a network trained on shuffled edges: must be refused.")
    ] = False,
    refresh_hours: REFRESH = REFRESH_HOURS,
    epochs: EPOCHS = 10,
    device: DEVICE = "auto",
    seed: SEED = 0,
    state: STATE = None,
    as_json: JSON = False,
) -> None:
    """Hold the ring network against trees with plain neighbour aggregates; it is served only where it beats them.

    Without --data the gate is asked on simulated payments, and nothing is installed.
    """
    need_gnn()
    from models.rings.training import choose_device  # noqa: PLC0415 the extra `gnn` only
    from services.rings.network import evaluate_rings  # noqa: PLC0415

    used = choose_device(device)
    if data is None:
        mix = CampaignMix(mule_ring=ring_weight)
        shape = CHAINS if ring_chains else RingShape()
        simulation = simulated(
            Scenario(transactions=transactions, fraud_rate=fraud_rate, campaigns=mix, rings=shape, seed=seed)
        )
        table, directory = simulation.transactions, None
        kinds: pd.DataFrame | None = simulation.truth
    else:
        directory = open_state(state or Settings().state)
        kinds = read_campaigns(campaigns) if campaigns else None
        table = read(data, mapping)
    with steps() as bars:
        found = evaluate_rings(
            directory,
            table,
            campaigns=kinds,
            shuffle_edges=shuffle_edges,
            refresh_hours=refresh_hours,
            epochs=epochs,
            seed=seed,
            device=used,
            step=bars.step,
        )
    result: dict[str, Any] = {"passed": found.report.passed, "report": found.report}
    if found.shuffled is not None:
        result |= {"shuffled_refused": not found.shuffled.passed, "shuffled": found.shuffled}
    result["installed"] = found.bundle.version if found.bundle else None
    if as_json:
        print_json(result)
        return
    for kind, figures in found.report.uplift.items():
        gain = figures.network_over_aggregates
        shown = {
            "frauds": figures.frauds,
            "trees": figures.trees,
            "with neighbour aggregates": figures.with_aggregates,
            "with the ring score too": figures.with_network,
            "gain of the ring score": f"{gain.difference:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})",
        }
        print_table(f"Average precision, {kind} fraud", shown)
    for title, report in (("Gate", found.report), ("Gate, shuffled edges", found.shuffled)):
        if report is not None:
            told = {
                check.name: f"{'passed' if check.passed else 'FAILED'}: {check.sentence}" for check in report.checks
            }
            print_table(title, told | {"passed": report.passed})
    print_table("Installed", {"version": result["installed"]})


def embed(
    data: Annotated[
        Path | None, typer.Option("--data", help="CSV or Parquet file of transactions; the ledger when absent.")
    ] = None,
    mapping: MAPPING = "simulator",
    at: Annotated[
        datetime | None,
        typer.Option("--at", help="Use only what was known before (UTC); now, or after the last event of --data."),
    ] = None,
    since: Annotated[
        datetime | None, typer.Option("--since", help="Compute only what changed since the run as of this time (UTC).")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option("--model", help="Directory of a ring model, other than the champion's or the one let in last."),
    ] = None,
    device: DEVICE = "auto",
    state: STATE = None,
    as_json: JSON = False,
) -> None:
    """Compute the embeddings of all entities, or of those that something happened to, and store them."""
    need_gnn()
    from models.rings.bundle import load_ring_bundle  # noqa: PLC0415
    from models.rings.training import choose_device  # noqa: PLC0415 the extra `gnn` only
    from services.rings.embedding import embed_rings, needed_ring_model  # noqa: PLC0415

    used, settings = choose_device(device), Settings()
    directory = open_state(state or settings.state)
    root = Root(settings, directory)
    bundle = load_ring_bundle(model) if model else needed_ring_model(directory)
    if bundle is None:
        raise ConfigurationError(
            f"No ring model is served in {directory.path}.",
            remedy="Run `ringfence rings evaluate --data FILE`, or name one with --model.",
        )
    if data is not None:
        table = read(data, mapping)
        as_of = pd.Timestamp(at, tz="UTC") if at else table["event_time"].iloc[-1] + pd.Timedelta(1, "us")
    else:
        as_of = pd.Timestamp(at, tz="UTC") if at else pd.Timestamp(utc_now())
        ledger = root.ledger()
        with progress("reading the ledger") as tell:
            table = table_of(ledger, as_of.to_pydatetime(), progress=tell)
        ledger.close()
    if since is not None and pd.Timestamp(since, tz="UTC") >= as_of:
        raise typer.BadParameter("it must be earlier than --at", param_hint="--since")
    store = root.embeddings()
    try:
        with steps() as bars:
            result: dict[str, Any] = embed_rings(
                bundle,
                table,
                store,
                as_of=as_of,
                since=pd.Timestamp(since, tz="UTC") if since else None,
                device=used,
                step=bars.step,
            )
    finally:
        store.close()
    result |= {"model": bundle.version, "as_of": str(as_of), "device": str(used)}
    print_json(result) if as_json else print_table("Embedded", result)


def refresh(
    find_hours: Annotated[float, typer.Option("--find-hours", min=0.001, help="How often to look for rings.")] = 6,
    embed_hours: Annotated[float, typer.Option("--embed-hours", min=0.001, help="How often to embed.")] = 1,
    device: DEVICE = "auto",
    state: STATE = None,
) -> None:
    """Keep fraud rings and embeddings up to date from the ledger, by the clock, until SIGTERM."""
    from services.processes import run_ring_refresh  # noqa: PLC0415 imports Feast

    settings = Settings()
    root = Root(settings, open_state(state or settings.state))
    run_ring_refresh(root, find_hours=find_hours, embed_hours=embed_hours, device=device)

"""Commands on data and models: simulate, train, evaluate."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from features.catalogue import NAMES
from features.replay import replay
from models.evaluate import evaluate as evaluate_model
from models.fdh_protocol import report_fdh
from services.champion import champion, policy
from services.cli.options import DATA, JSON, MAPPING, SEED, STATE
from services.cli.output import print_json, print_table, progress, steps
from services.cli.table import read, simulated
from services.settings import Settings
from services.state_directory import open_state
from services.training import before, train_and_install
from streaming.simulator import Scenario
from streaming.simulator.files import write


def simulate(
    transactions: Annotated[int, typer.Option("--transactions", min=1, help="How many.")],
    out: Annotated[Path, typer.Option("--out", help="Parquet or CSV file to write; the truth goes beside it.")],
    seed: SEED = 0,
    start: Annotated[datetime | None, typer.Option("--start", help="First day (UTC).", formats=["%Y-%m-%d"])] = None,
    days: Annotated[float | None, typer.Option("--days", help="How long; chosen by size when absent.")] = None,
    fraud_rate: Annotated[float, typer.Option("--fraud-rate", help="Share of transactions that are fraud.")] = 0.003,
    as_json: JSON = False,
) -> None:
    """Simulate card payments with fraud campaigns: the same seed gives the same bytes."""
    options: dict[str, object] = {"days": days, "start": start and pd.Timestamp(start, tz="UTC").to_pydatetime()}
    scenario = Scenario(
        transactions=transactions,
        seed=seed,
        fraud_rate=fraud_rate,
        **{name: value for name, value in options.items() if value is not None},  # type: ignore[arg-type]  # checked by Scenario
    )
    simulation = simulated(scenario)
    write(simulation, out)
    frauds = simulation.truth.groupby("campaign").size().to_dict()
    result = {
        "transactions": len(simulation.transactions),
        "fraud_rate": float((simulation.transactions["is_fraud"] == 1).mean()),
        "from": str(simulation.transactions["event_time"].min()),
        "to": str(simulation.transactions["event_time"].max()),
        "frauds_by_campaign": {str(name): int(count) for name, count in frauds.items()},
        "file": str(out),
    }
    print_json(result) if as_json else print_table("Simulated", result)


def train(
    data: DATA,
    mapping: MAPPING = "simulator",
    split: Annotated[
        datetime | None, typer.Option("--split", help="Use only what was known at this time (UTC).")
    ] = None,
    seed: SEED = 0,
    state: STATE = None,
    as_json: JSON = False,
) -> None:
    """Train a model on a file and make it the one that is served."""
    directory = open_state(state or Settings().state)
    table = read(data, mapping)
    as_of = pd.Timestamp(split, tz="UTC") if split else None
    history = before(table, as_of) if as_of else table
    with steps() as bars:
        fold, fit = map(bars.step, ("computing features", "training"))
        trained = train_and_install(
            directory,
            history,
            as_of=as_of,
            seed=seed,
            fold_progress=fold,
            train_progress=lambda _stage, share: fit(int(share * 100), 100),
        )
    result = {
        "model_version": trained.bundle.version,
        "family": trained.bundle.manifest.family,
        "metrics": trained.bundle.manifest.metrics,
        "policy_version": trained.policy.version,
        "review_from": trained.policy.review,
        "decline_from": trained.policy.decline,
        "bundle": str(directory.bundles / trained.bundle.version),
    }
    print_json(result) if as_json else print_table("Trained and installed", result)


def evaluate(
    data: DATA,
    mapping: Annotated[
        str | None, typer.Option("--mapping", help="Mapping file or shipped name.", metavar="MAP")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option("--since", help="First event time to score (UTC); after the training data if absent."),
    ] = None,
    protocol: Annotated[
        str | None, typer.Option("--protocol", help="fdh: the Handbook's chapter-3 split, which trains its own model.")
    ] = None,
    state: STATE = None,
    as_json: JSON = False,
) -> None:
    """Measure the served model on later data, at the data's own fraud rate."""
    if protocol not in (None, "fdh"):
        raise typer.BadParameter("the only protocol is fdh", param_hint="--protocol")
    table = read(data, mapping or protocol or "simulator")
    with progress("computing features") as tell:
        features = replay(table, progress=tell).features
    if protocol == "fdh":
        with progress("training on the Handbook's week") as tell:
            result: dict[str, Any] = report_fdh(
                table, features, names=NAMES, progress=lambda _, share: tell(round(share * 100), 100)
            )
    else:
        directory = open_state(state or Settings().state)
        bundle = champion(directory)
        first = pd.Timestamp(since, tz="UTC") if since else pd.Timestamp(bundle.manifest.data.end)
        rows = ((table["event_time"] >= first) & table["is_fraud"].notna()).to_numpy()
        figures = evaluate_model(bundle, table[rows].reset_index(drop=True), features[rows], policy(directory))
        result = {"model_version": bundle.version, "since": str(first), **figures}
    print_json(result) if as_json else print_table("Evaluated", result)

"""The command for a first start."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from services.backfill import check_not_live
from services.cli.options import JSON, SEED, STATE
from services.cli.output import print_json, print_table, say, steps
from services.cli.table import read, simulated
from services.composition import Root
from services.first_start import start_from
from services.registry import read_registry
from services.settings import Settings
from services.state_directory import open_state
from streaming.scoring import utc_now
from streaming.simulator import Scenario

PER_DAY = 2_000
FRAUD_RATE = 0.004


def init(
    data: Annotated[
        Path | None,
        typer.Option("--data", help="CSV or Parquet file of labelled transactions.", envvar="RINGFENCE_DATA"),
    ] = None,
    mapping: Annotated[
        str, typer.Option("--mapping", help="Mapping file, or a shipped one.", envvar="RINGFENCE_MAPPING")
    ] = "simulator",
    transactions: Annotated[
        int,
        typer.Option("--transactions", min=1, help="How many to simulate without --data.", envvar="RINGFENCE_SIMULATE"),
    ] = 100_000,
    seed: SEED = 0,
    state: STATE = None,
    as_json: JSON = False,
) -> None:
    """Make everything ready for a first start: token, model, feature states, topics. What is there already stays."""
    settings = Settings()
    root = Root(settings, open_state(state or settings.state))
    root.token()
    broker = root.broker()
    root.topics(broker)
    broker.close()
    before = read_registry(root.state).champion
    version = before or _trained(root, data, mapping, transactions, seed)
    result = {"model_version": version, "made_now": before is None, "state": str(root.state.path)}
    print_json(result) if as_json else print_table("Ready to start", result)


def _trained(root: Root, data: Path | None, mapping: str, transactions: int, seed: int) -> str:
    check_not_live(root)
    if data is None:
        say(f"No --data: training on {transactions:,} simulated payments. The model knows nothing of yours.")
        table = _recent(transactions, seed)
    else:
        table = read(data, mapping)
    with steps() as bars:
        fold, fit, load = map(bars.step, ("computing features", "training", "loading the feature store"))
        trained = start_from(root, table, fold=fold, fit=lambda _, share: fit(round(share * 100), 100), load=load)
    return trained.bundle.version


def _recent(transactions: int, seed: int) -> pd.DataFrame:
    """Simulate payments that end about now, so that what follows finds a history that is fresh."""
    days = max(transactions / PER_DAY, 30.0)
    start = (utc_now() - timedelta(days=days)).replace(minute=0, second=0, microsecond=0)
    scenario = Scenario(transactions=transactions, seed=seed, start=start, days=days, fraud_rate=FRAUD_RATE)
    return simulated(scenario).transactions

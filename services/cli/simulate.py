"""The command that simulates payments."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from services.cli.options import JSON, SEED, utc
from services.cli.output import print_json, print_table
from services.cli.table import simulated
from streaming.simulator import CHAINS, CampaignMix, Scenario
from streaming.simulator.files import write


def simulate(
    transactions: Annotated[int, typer.Option("--transactions", min=1, help="How many.")],
    out: Annotated[Path, typer.Option("--out", help="Parquet or CSV file to write; the truth goes beside it.")],
    seed: SEED = 0,
    start: Annotated[datetime | None, typer.Option("--start", help="First day (UTC).", formats=["%Y-%m-%d"])] = None,
    days: Annotated[float | None, typer.Option("--days", help="How long; chosen by size when absent.")] = None,
    fraud_rate: Annotated[float, typer.Option("--fraud-rate", help="Share of transactions that are fraud.")] = 0.003,
    ring_weight: Annotated[
        float | None, typer.Option("--ring-weight", help="Weight of rings among campaigns; the others' sum is 0.86.")
    ] = None,
    ring_chains: Annotated[
        bool, typer.Option("--ring-chains", help="Rings whose members share nothing when they steal.")
    ] = False,
    as_json: JSON = False,
) -> None:
    """Simulate card payments with fraud campaigns: the same seed gives the same bytes."""
    first = utc(start)
    options: dict[str, object] = {
        "days": days,
        "start": first.to_pydatetime() if first else None,
        "campaigns": None if ring_weight is None else CampaignMix(mule_ring=ring_weight),
        "rings": CHAINS if ring_chains else None,
    }
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

"""Commands that measure on this machine: benchmark features, models, novelty, gnn."""

from pathlib import Path
from typing import Annotated, Any

import typer

from models.fitting import MAX_ROUNDS
from models.policy_choice import ANOMALY_BUDGET
from services.benchmarks.features import benchmark_features
from services.benchmarks.models import benchmark_models
from services.benchmarks.novelty import benchmark_novelty
from services.cli.options import JSON, MAPPING, SEED
from services.cli.output import print_json, print_table, steps
from services.cli.table import SIMULATED, read_or_simulate, simulated
from services.extras import need_gnn
from streaming.simulator import Scenario
from streaming.simulator.fraud import CAMPAIGNS


def features(
    data: Annotated[
        Path | None, typer.Option("--data", help="Measure on a CSV or Parquet file instead of a simulation.")
    ] = None,
    mapping: MAPPING = "simulator",
    transactions: Annotated[int, typer.Option("--transactions", min=1, help="How many to simulate.")] = SIMULATED,
    pandas_transactions: Annotated[
        int | None,
        typer.Option("--pandas-transactions", min=1, help="How many by pandas, the first ones; or all."),
    ] = None,
    seed: SEED = 0,
    as_json: JSON = False,
) -> None:
    """Measure the back-fill beside pandas, the live fold and the online store."""
    table = read_or_simulate(data, mapping, transactions, seed)
    with steps() as bars:
        result = benchmark_features(table, pandas_transactions, bars.step)
    print_json(result) if as_json else print_table("Measured", rows(result))


def models(
    data: Annotated[
        Path | None, typer.Option("--data", help="Train on a CSV or Parquet file instead of a simulation.")
    ] = None,
    mapping: MAPPING = "simulator",
    transactions: Annotated[int, typer.Option("--transactions", min=1, help="How many to simulate.")] = SIMULATED,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Trees of each family.")] = 300,
    seed: SEED = 0,
    as_json: JSON = False,
) -> None:
    """Measure how long scoring takes: each family, scikit-learn beside them, and a bundle as it is served."""
    table = read_or_simulate(data, mapping, transactions, seed)
    with steps() as bars:
        result = benchmark_models(table, rounds, bars.step, seed=seed)
    print_json(result) if as_json else print_table("Measured", rows(result))


def novelty(
    transactions: Annotated[int, typer.Option("--transactions", min=1, help="How many to simulate.")] = 2 * SIMULATED,
    fraud_rate: Annotated[float, typer.Option("--fraud-rate", help="Share of transactions that are fraud.")] = 0.005,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="Hold out this kind of campaign alone; may be repeated.")
    ] = None,
    budget: Annotated[
        float, typer.Option("--budget", min=0, max=1, help="Share of payments that can be looked at.")
    ] = 0.005,
    anomaly_budget: Annotated[
        float, typer.Option("--anomaly-budget", min=0, max=1, help="Part of it spent on unusual payments.")
    ] = ANOMALY_BUDGET,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Most trees of the model.")] = MAX_ROUNDS,
    seed: SEED = 0,
    as_json: JSON = False,
) -> None:
    """Measure how much fraud of a kind never seen in training is found, with and without the anomaly score."""
    kinds = kind or list(CAMPAIGNS)
    unknown = sorted(set(kinds) - CAMPAIGNS.keys())
    if unknown:
        raise typer.BadParameter(f"{unknown[0]} is none of {', '.join(CAMPAIGNS)}", param_hint="--kind")
    simulation = simulated(Scenario(transactions=transactions, fraud_rate=fraud_rate, seed=seed))
    with steps() as bars:
        result = benchmark_novelty(
            simulation,
            kinds,
            budget=budget,
            anomaly_budget=min(budget, anomaly_budget),
            seed=seed,
            rounds=rounds,
            step=bars.step,
        )
    print_json(result) if as_json else print_table("Measured", rows(result))


def gnn(
    edges: Annotated[int, typer.Option("--edges", min=1_000, help="Edges of the random graph, about.")] = 1_000_000,
    seed: SEED = 0,
    as_json: JSON = False,
) -> None:
    """Measure the ring network: the served head, live scoring, and the batch stage beside a plain loop over nodes."""
    need_gnn()
    from services.benchmarks.gnn import benchmark_gnn  # noqa: PLC0415 the extra `gnn` only

    with steps() as bars:
        result = benchmark_gnn(edges, bars.step, seed=seed)
    print_json(result) if as_json else print_table("Measured", result)


def rows(result: dict[str, Any]) -> dict[str, Any]:
    """Give each size of micro-batch, and each entity's states, a row of its own."""
    flat: dict[str, Any] = {}
    for name, value in result.items():
        if isinstance(value, dict) and any(isinstance(part, dict) for part in value.values()):
            flat |= {f"{name} {part}": figures for part, figures in value.items()}
        else:
            flat[name] = value
    return flat

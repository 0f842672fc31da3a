"""Commands on data and models: simulate, train."""

import shlex
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from features.errors import RingfenceError
from models.families import compare_families
from models.search_report import Bounds
from services.cli import gate
from services.cli.mirror import mirror_aliases, open_configured
from services.cli.options import DATA, JSON, MAPPING, SEED, STATE
from services.cli.output import print_json, print_table, progress, say, steps
from services.cli.table import read, simulated
from services.cli.train_output import by_family, made_how
from services.extras import INSTALL_TRAIN, has_train
from services.promotion import promote as promote_model
from services.settings import Settings
from services.state_directory import StateDirectory, open_state
from services.training import Trained, train_and_install
from streaming.simulator import Scenario
from streaming.simulator.files import write

TRIALS = 10  # a few minutes for 100,000 transactions on two cores


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
    trials: Annotated[
        int | None,
        typer.Option("--trials", min=0, help=f"Sets of parameters to try for each family; {TRIALS}, or 0: none."),
    ] = None,
    search_minutes: Annotated[
        float | None,
        typer.Option("--search-minutes", min=0.01, help="End the search for parameters after this long."),
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare-families", help="Print what each model family reaches on the test window.")
    ] = False,
    promote: Annotated[
        bool, typer.Option("--promote", help="Ask the gate right away, on what lies after the training data.")
    ] = False,
    track: Annotated[bool, typer.Option("--track/--no-track", help="Record the run in MLflow.")] = True,
    state: STATE = None,
    as_json: JSON = False,
) -> None:
    """Train a model on a file: the first one is served, any other becomes the challenger.

    A model card is written into the state directory, and the run is recorded in MLflow.
    """
    settings = Settings()
    directory = open_state(state or settings.state)
    trials = trials if trials is not None else TRIALS if has_train() else 0
    table = read(data, mapping)
    as_of = pd.Timestamp(split, tz="UTC") if split else None
    with steps() as bars:
        fold, fit, others = map(bars.step, ("computing features", "training", "comparing families"))
        trained = train_and_install(
            directory,
            table,  # rows after the split test the model, and have no other part in it
            as_of=as_of,
            seed=seed,
            bounds=Bounds(trials, search_minutes),
            fold_progress=fold,
            train_progress=lambda _stage, share: fit(int(share * 100), 100),
        )
        families = (
            compare_families(
                table,
                trained.history.features,
                trained.result,
                seed=seed,
                progress=lambda _stage, share: others(int(share * 100), 100),
            )
            if compare
            else ()
        )
    report = None
    if promote and trained.alias == "challenger":
        report = gate.ask(directory, trained.bundle.version, table, data)
        if report.passed:
            promote_model(directory, report, reason="trained and passed the gate")
    result = {
        "model_version": trained.bundle.version,
        "alias": "champion" if report and report.passed else trained.alias,
        "family": trained.bundle.manifest.family,
        **made_how(trained.result),
        "metrics": trained.bundle.manifest.metrics,
        "policy_version": trained.policy.version,
        "review_from": trained.policy.review,
        "decline_from": trained.policy.decline,
        "bundle": str(directory.bundles / trained.bundle.version),
        "card": None,
        "run": None,
    }
    command = ["ringfence", "train", "--data", str(data), "--mapping", mapping, "--seed", str(seed)]
    command += ["--split", f"{split:%Y-%m-%dT%H:%M:%S}"] if split else []
    command += ["--trials", str(trials)] + (["--search-minutes", str(search_minutes)] if search_minutes else [])
    if has_train():
        result |= _document(directory, trained, table, seed, shlex.join(command), settings if track else None)
    else:
        say(f"No search, no card, no tracking: the extra `train` is not installed. {INSTALL_TRAIN}")
    if as_json:
        shown = {"families": [asdict(row) for row in families]} if compare else {}
        print_json(result | shown | ({"gate": report} if report else {}))
        return
    if compare:
        print_table("Families on the test window", by_family(families))
    print_table("Trained and installed", result)
    if report:
        gate.show(report)


def _document(
    state: StateDirectory, trained: Trained, table: pd.DataFrame, seed: int, command: str, settings: Settings | None
) -> dict[str, str]:
    """Write the card of a model that is installed already, and record the run unless ``settings`` is None.

    What fails here is told and does not undo the training.
    """
    from services.reporting import report_training  # noqa: PLC0415 the extra `train` only

    done: dict[str, str] = {}
    try:
        with steps() as bars:
            measure = bars.step("measuring for the card")
            path, record = report_training(state, trained, table, seed=seed, command=command, progress=measure)
        done["card"] = str(path)
        if settings is not None:
            with progress("recording the run"):
                tracking = open_configured(state, settings)
                done["run"] = tracking.record(record).run_id
            mirror_aliases(state, settings, tracking)
    except RingfenceError as error:
        say(f"The model is installed, but {'not tracked' if done else 'has no card'}: {error}")
    return done

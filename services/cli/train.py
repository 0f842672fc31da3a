"""The command that trains a model."""

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from models.families import compare_families
from models.search_report import Bounds
from services.cli import gate
from services.cli.network_question import NetworkQuestion
from services.cli.options import DATA, JSON, MAPPING, SEED, STATE, utc
from services.cli.output import print_json, print_table, steps
from services.cli.table import read
from services.cli.train_document import command_line, document
from services.cli.train_output import by_family, installed
from services.extras import has_train
from services.promotion import promote as promote_model
from services.settings import Settings
from services.state_directory import open_state
from services.training import train_and_install

TRIALS = 10  # a few minutes for 100,000 transactions on two cores


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
    rings: Annotated[
        bool,
        typer.Option("--rings", help="Let the trees use the ring network's score, if it gains on plain aggregates."),
    ] = False,
    campaigns: Annotated[
        Path | None,
        typer.Option("--campaigns", help="With --rings: file of transaction_id and campaign, which tells rings apart."),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="With --rings: auto, cpu or cuda.")] = "auto",
    track: Annotated[bool, typer.Option("--track/--no-track", help="Record the run in MLflow.")] = True,
    state: STATE = None,
    as_json: JSON = False,
) -> None:
    """Train a model on a file: the first one is served, any other becomes the challenger.

    A model card is written into the state directory, and the run is recorded in MLflow.
    """
    settings = Settings()
    directory = open_state(state or settings.state)
    bounds = Bounds(trials if trials is not None else TRIALS if has_train() else 0, search_minutes)
    table = read(data, mapping)
    network = NetworkQuestion(directory, campaigns, utc(split), seed, device) if rings else None
    with steps() as bars:
        fold, fit, others = map(bars.step, ("computing features", "training", "comparing families"))
        trained = train_and_install(
            directory,
            table,  # rows after the split test the model, and have no other part in it
            as_of=utc(split),
            seed=seed,
            bounds=bounds,
            fold_progress=fold,
            train_progress=lambda _stage, share: fit(int(share * 100), 100),
            ask_network=(lambda history, features: network.ask(history, features, bars.step)) if network else None,
        )
        families = (
            compare_families(
                table,
                trained.features,
                trained.result,
                seed=seed,
                progress=lambda _stage, share: others(int(share * 100), 100),
            )
            if compare
            else ()
        )
    report = None
    if promote and trained.alias == "challenger":
        report = gate.ask(directory, trained.bundle.version, table, data, features=trained.history.features)
        if report.passed:
            promote_model(directory, report, reason="trained and passed the gate")
    result = installed(directory, trained)
    if network:
        result["rings"] = network.told()
    if report and report.passed:
        result["alias"] = "champion"
    command = command_line(data, mapping, seed, split, bounds, rings=rings, campaigns=campaigns)
    result |= document(directory, trained, table, seed, command, settings if track else None)
    if as_json:
        shown = {"families": [asdict(row) for row in families]} if compare else {}
        print_json(result | shown | ({"gate": report} if report else {}))
        return
    if compare:
        print_table("Families on the test window", by_family(families))
    print_table("Trained and installed", result)
    if report:
        gate.show(report)

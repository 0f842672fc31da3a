"""Cards and records of models: measured, drawn, written into the state directory, recorded in MLflow."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from features.progress import Progress
from models.assessment import Assessment, assess
from services.model_card.card import ModelCard, make_card
from services.model_card.page import page
from services.model_card.plots import Plot, plots
from services.run_record import RunRecord, run_record, training_parameters
from services.state_directory import StateDirectory
from services.training import Trained


@dataclass(frozen=True, slots=True)
class Report:
    """A model card as data, as a page, and its plots."""

    card: ModelCard
    html: str
    plots: tuple[Plot, ...]


def report(card: ModelCard) -> Report:
    """Draw a card."""
    drawn = plots(card.assessment)
    return Report(card, page(card, drawn), drawn)


def report_training(
    state: StateDirectory,
    trained: Trained,
    table: pd.DataFrame,
    *,
    seed: int,
    command: str,
    progress: Progress | None = None,
) -> tuple[Path, RunRecord]:
    """Measure a model that has just been trained on ``table`` and write its card.

    Returns the card's path, ``cards/<version>.html`` in the state directory, and the record to track. Measured is the
    test window, or the calibration window where the table left none, which the card then says.
    """
    split = trained.result.split
    window = split.test or split.calibration
    assessment: Assessment = assess(
        trained.bundle,
        table,
        trained.features,
        window.rows,
        trained.policy,
        unseen=split.test is not None,
        progress=progress,
    )
    parameters = training_parameters(trained, seed)
    made = report(make_card(trained.bundle, trained.policy, table, assessment, parameters, command))
    path = state.cards / f"{trained.bundle.version}.html"
    write(path, made.html)
    bundle = state.bundles / trained.bundle.version
    return path, run_record(trained, bundle, parameters, made.card, made.html, made.plots)


def write(path: Path, html: str) -> None:
    """Write a page in one step; the directory is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(html, encoding="utf-8")
    draft.replace(path)

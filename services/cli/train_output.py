"""How a training is told: what came of it, its windows, its search, and the table of families."""

from collections.abc import Sequence
from typing import Any

from models.calibration import kind_of
from models.families import FamilyRow
from models.search_report import SearchReport
from models.splits import Window
from models.train import TrainResult
from services.state_directory import StateDirectory
from services.training import Trained


def installed(state: StateDirectory, trained: Trained) -> dict[str, Any]:
    """Return what was installed, and how it was made."""
    manifest, policy = trained.bundle.manifest, trained.policy
    return {
        "model_version": trained.bundle.version,
        "alias": trained.alias,
        "family": manifest.family,
        **made_how(trained.result),
        "metrics": manifest.metrics,
        "policy_version": policy.version,
        "review_from": policy.review,
        "decline_from": policy.decline,
        "bundle": str(state.bundles / trained.bundle.version),
    }


def made_how(result: TrainResult) -> dict[str, Any]:
    """Return windows, candidates, search and kind of calibration of a training."""
    return {
        "windows": {window.name: _window(window) for window in result.split.windows},
        "candidates": {one.family: one.average_precision for one in result.candidates},
        "search": _search(result.search),
        "calibration": kind_of(result.model.calibration),
    }


def by_family(rows: Sequence[FamilyRow]) -> dict[str, Any]:
    """Return the table of families for a person, a row each."""
    return {
        row.family: {
            "average precision": row.average_precision,
            "of": row.average_precision_interval,
            "AUC": row.auc,
            "in": row.auc_interval,
            "seconds": row.fit_seconds,
        }
        for row in rows
    }


def _window(window: Window) -> str:
    span = f"{window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M} UTC"
    return f"{span} ({len(window.rows):,} rows, {window.frauds:,} frauds)"


def _search(report: SearchReport | None) -> dict[str, Any] | None:
    """Say what was searched, on which windows, and what was chosen; None without a search."""
    if report is None:
        return None
    return {
        "trials": len(report.trials),
        "complete": report.complete,
        "fitted_on": "train",
        "judged_on": "validation",
        "chosen": {family: dict(trial.parameters) for family, trial in report.chosen.items()},
    }

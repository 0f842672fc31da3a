"""What is kept of one training run: the one place that turns a training's outcome into names and values."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from models.candidates import Candidate
from models.search import RECIPES
from models.search_report import SearchReport
from models.splits import Window
from services.model_card.card import ModelCard
from services.model_card.plots import Plot
from services.training import Trained


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One training run: its bundle, parameters, metrics and tags by name, and texts by file name."""

    version: str
    bundle: Path
    parameters: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]
    texts: dict[str, str]


def training_parameters(trained: Trained, seed: int) -> dict[str, str]:
    """Return how a model was made, in the order and the words in which a person reads it."""
    result, family = trained.result, trained.bundle.manifest.family
    split = result.split
    tried = {one.family: one for one in result.candidates}
    return {
        "family": family,
        "families tried": ", ".join(
            f"{one.family} (average precision {one.average_precision:.4f} on the validation window)"
            for one in result.candidates
        ),
        "trees": str(tried[family].rounds),
        "trials": str(len(result.search.trials)) if result.search else "0",
        **{name.replace("_", " "): str(value) for name, value in _fitted_with(tried[family]).items()},
        "seed": str(seed),
        "trained as of": f"{split.as_of:%Y-%m-%d %H:%M} UTC",
        "label delay": f"{split.label_delay.total_seconds() / 86_400:.1f} days",
        **{
            f"{window.name} window": _shown(window)
            for window in (split.train, split.validation, split.calibration, split.test)
            if window is not None
        },
    }


def run_record(
    trained: Trained, bundle: Path, parameters: dict[str, str], card: ModelCard, html: str, plots: Sequence[Plot]
) -> RunRecord:
    """Gather everything about one training run; ``bundle`` is the directory of its bundle."""
    manifest, found = trained.bundle.manifest, card.assessment
    window = "test" if found.unseen else "calibration"
    metrics = {f"{window}.{name}": value for name, value in found.figures.values.items()}
    for name, (low, high) in found.figures.intervals.items():
        metrics |= {f"{window}.{name}.low": low, f"{window}.{name}.high": high}
    metrics |= {f"{window}.calibration_slope": found.line.slope, f"{window}.largest_psi": found.largest_psi}
    metrics[f"{window}.expected_to_observed"] = found.expected_to_observed
    for part, values in manifest.metrics.items():
        metrics |= {f"{part}.{name}": value for name, value in values.items() if f"{part}.{name}" not in metrics}
    return RunRecord(
        version=trained.bundle.version,
        bundle=bundle,
        parameters={
            **{name.replace(" ", "_"): value for name, value in parameters.items()},
            "data_start": manifest.data.start.isoformat(),
            "data_end": manifest.data.end.isoformat(),
            "data_rows": str(manifest.data.rows),
            "data_frauds": str(manifest.data.frauds),
            "data_sha256": manifest.data.sha256,
            "features": str(len(manifest.feature_names)),
            "policy_review": str(trained.policy.review),
            "policy_decline": str(trained.policy.decline),
            **{f"library_{name}": version for name, version in manifest.libraries.items()},
        },
        metrics=metrics,
        tags={
            "bundle_version": trained.bundle.version,
            "policy_version": trained.policy.version,
            "data_sha256": manifest.data.sha256,
            "command": card.command,
        },
        texts={
            "model_card.html": html,
            "manifest.json": (bundle / "manifest.json").read_text(),
            "policy.json": msgspec.json.format(msgspec.json.encode(trained.policy), indent=2).decode(),
            **_trials(trained.result.search),
            **{f"plots/{plot.name}.svg": plot.svg for plot in plots},
        },
    )


def _fitted_with(candidate: Candidate) -> dict[str, Any]:
    """Return the recipe's parameters with what the search changed; a blend has its own alone."""
    return {**RECIPES.get(candidate.family, {}), **candidate.parameters}


def _trials(report: SearchReport | None) -> dict[str, str]:
    if report is None:
        return {}
    return {"trials.json": msgspec.json.format(msgspec.json.encode(report.trials), indent=2).decode()}


def _shown(window: Window) -> str:
    return (
        f"{window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M} UTC, "
        f"{len(window.rows):,} transactions, {window.frauds:,} frauds"
    )

"""The command that re-calibrates the champion on recent labels."""

from datetime import datetime
from typing import Annotated, Any

import typer

from models.calibration import kind_of
from models.recalibration import Recalibrated
from services.cli.options import DATA, JSON, MAPPING, STATE, utc
from services.cli.output import print_json, print_table, steps
from services.cli.table import read
from services.recalibration import Recalibration
from services.recalibration import recalibrate as run_recalibration
from services.settings import Settings
from services.state_directory import open_state


def recalibrate(
    data: DATA,
    mapping: MAPPING = "simulator",
    since: Annotated[
        datetime | None,
        typer.Option("--since", help="First event time to use (UTC); after the model's own data if absent."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            "--until", help="Moment of re-calibrating (UTC): what came to light later is left for judging it."
        ),
    ] = None,
    state: STATE = None,
    as_json: JSON = False,
) -> None:
    """Fit the champion's calibration to recent labels: the same trees, a new version, the challenger."""
    directory = open_state(state or Settings().state, create=False)
    table = read(data, mapping)
    with steps() as bars:
        done = run_recalibration(directory, table, since=utc(since), until=utc(until), step=bars.step)
    result = report(done)
    title = "Re-calibrated and installed" if done.bundle else "Not installed: it would not have helped"
    print_json(result) if as_json else print_table(title, result)


def report(done: Recalibration) -> dict[str, Any]:
    """Return what is printed: the figures before and after are of the later half of the frauds, held out."""
    before, after = done.result.before, done.result.after
    return {
        "installed": done.bundle is not None,
        "model_version": (done.bundle or done.old).version,
        "alias": done.alias,
        "champion": done.old.version,
        "rule": done.result.rule,
        "calibration": kind_of(done.result.calibration),
        "since": str(done.since),
        "rows": done.rows,
        "frauds": done.frauds,
        "held_out_fraud_rate": before.fraud_rate,
        "slope_before": before.slope,
        "slope_after": after.slope,
        "intercept_before": before.intercept,
        "intercept_after": after.intercept,
        "in_the_large_before": before.in_the_large,
        "in_the_large_after": after.in_the_large,
        "ece_before": before.expected_calibration_error,
        "ece_after": after.expected_calibration_error,
        **_of_fallback(done.fallback),
    }


def _of_fallback(result: Recalibrated | None) -> dict[str, Any]:
    if result is None:
        return {"fallback": None}
    return {
        "fallback": "moved" if result.helps else "kept",
        "fallback_in_the_large_before": result.before.in_the_large,
        "fallback_in_the_large_after": result.after.in_the_large,
        "fallback_ece_before": result.before.expected_calibration_error,
        "fallback_ece_after": result.after.expected_calibration_error,
    }

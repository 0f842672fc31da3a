"""The command that measures the served model."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from features.catalogue import NAMES
from features.errors import ConfigurationError, DataError
from features.replay import replay
from models.assessment import assess
from models.fdh_protocol import report_fdh
from services.bundle_features import BundleFeatures
from services.champion import champion, policy
from services.cli.options import DATA, JSON, STATE, utc
from services.cli.output import print_json, print_table, progress, say, shown, steps
from services.cli.table import read
from services.evaluation import unseen_rows
from services.extras import INSTALL_TRAIN, has_train
from services.settings import Settings
from services.state_directory import open_state

INTERVAL = "_interval"


def evaluate(
    data: DATA,
    mapping: Annotated[
        str | None, typer.Option("--mapping", help="Mapping file or shipped name.", metavar="MAP")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option("--since", help="First event time to score (UTC); after the training data if absent."),
    ] = None,
    campaigns: Annotated[
        Path | None,
        typer.Option("--campaigns", help="CSV or Parquet file of transaction_id and campaign: adds recall by kind."),
    ] = None,
    card: Annotated[Path | None, typer.Option("--card", help="Write a model card (HTML) to this file.")] = None,
    protocol: Annotated[
        str | None, typer.Option("--protocol", help="fdh: the Handbook's chapter-3 split, which trains its own model.")
    ] = None,
    state: STATE = None,
    as_json: JSON = False,
) -> None:
    """Measure the served model on later data, at the data's own fraud rate."""
    if protocol not in (None, "fdh"):
        raise typer.BadParameter("the only protocol is fdh", param_hint="--protocol")
    if protocol and (card or campaigns or since):
        raise typer.BadParameter("it goes without --card, --campaigns and --since", param_hint="--protocol")
    if card and not has_train():
        raise ConfigurationError("--card needs the extra `train`.", remedy=INSTALL_TRAIN)
    if protocol:
        result = _handbook(data, mapping or protocol)
    else:
        result = _champion(data, mapping or "simulator", since, campaigns, card, state)
    print_json(result) if as_json else print_table("Evaluated", readable(result))


def readable(result: dict[str, Any]) -> dict[str, Any]:
    """Put each metric and its interval into one row, and each kind of fraud into a row of its own."""
    rows: dict[str, Any] = {}
    for name, value in result.items():
        metric = name.removesuffix(INTERVAL)
        if name != metric and metric in rows:
            low, high = (shown(bound) for bound in value)
            rows[metric] = f"{shown(rows[metric])} ({low} to {high})"
        elif name == "recall_by_campaign":
            rows |= {f"{kind} frauds": figures for kind, figures in value.items()}
        else:
            rows[name] = value
    return rows


def _handbook(data: Path, mapping: str) -> dict[str, Any]:
    table = read(data, mapping)
    with steps() as bars:
        fold, fit = map(bars.step, ("computing features", "training as the Handbook does"))
        features = replay(table, progress=fold).features
        return report_fdh(table, features, names=NAMES, progress=lambda _, share: fit(round(share * 100), 100))


def _champion(
    data: Path, mapping: str, since: datetime | None, campaigns: Path | None, card: Path | None, state: Path | None
) -> dict[str, Any]:
    directory = open_state(state or Settings().state)
    bundle, rules = champion(directory), policy(directory)
    kinds = read_campaigns(campaigns) if campaigns else None
    table = read(data, mapping)
    chosen = unseen_rows(table, bundle.manifest.data, utc(since))
    left = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in chosen.left_out.items() if count)
    say(f"{len(chosen.rows):,} transactions evaluated" + (f"; left out: {left}." if left else "."))
    with steps() as bars:
        features = BundleFeatures(directory, table, bars.step).of(bundle)
        found = assess(bundle, table, features, chosen.rows, rules, campaigns=kinds, progress=bars.step("measuring"))
    result: dict[str, Any] = {
        "model_version": bundle.version,
        "policy_version": rules.version,
        "from": str(found.start),
        "to": str(found.end),
        "left_out": chosen.left_out,
        "currency": found.currency,
        **found.figures.flat(),
        "calibration_slope": found.line.slope,
        "expected_to_observed": found.expected_to_observed,
    }
    if kinds is not None:
        result["recall_by_campaign"] = {
            one.campaign: {"n": one.transactions, "caught": one.caught}
            | {f"recall_at_fpr_{name}": recall for name, recall in one.recall_at_fpr.items()}
            for one in found.campaigns
        }
    if card:
        # Draws with Matplotlib, which is no part of the plain installation.
        from services.model_card.card import make_card  # noqa: PLC0415
        from services.reporting import report, write  # noqa: PLC0415

        command = f"ringfence evaluate --data {data} --mapping {mapping}"
        with progress("writing the card"):
            write(
                card, report(make_card(bundle, rules, table, found, {"Family": bundle.manifest.family}, command)).html
            )
        result["card"] = str(card)
    return result


def read_campaigns(path: Path) -> pd.DataFrame:
    """Read a file of transaction_id and campaign; raises `DataError` where that fails."""
    try:
        return pd.read_csv(path, dtype=str) if path.suffix == ".csv" else pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise DataError(
            f"The campaigns in {path} cannot be read: {error}.", remedy="Give a CSV or Parquet file."
        ) from error

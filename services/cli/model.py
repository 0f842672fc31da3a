"""Commands on models: list, show, compare, promote, roll back."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from features.errors import BundleError, ConfigurationError
from models.bundle import load_bundle
from services.champion import bundle_directory, find_version, policy_file, policy_of, versions
from services.cli import gate
from services.cli.mirror import mirror_aliases
from services.cli.model_tables import Listed, print_change, print_comparison, print_models
from services.cli.options import DATA, JSON, MAPPING, STATE, utc
from services.cli.output import err, out, print_json, print_table, steps
from services.cli.table import read
from services.model_comparison import compare as compare_models
from services.promotion import promote as promote_model
from services.promotion import roll_back
from services.registry import Registry, read_registry
from services.settings import Settings
from services.state_directory import StateDirectory, open_state

NAME = Annotated[str, typer.Argument(help="A version, or champion, or challenger.", metavar="VERSION")]
SINCE = Annotated[
    datetime | None, typer.Option("--since", help="Leave out what happened before (UTC).", formats=["%Y-%m-%d"])
]
EXIT_FAILED = 1


def list_(state: STATE = None, as_json: JSON = False) -> None:
    """List the models that are there, and what each reached on its test window."""
    directory = _state(state)
    registry = read_registry(directory)
    found = [_listed(directory, registry, version) for version in versions(directory)]
    found.sort(key=lambda one: (one.alias != "champion", one.alias != "challenger", one.version))
    print_json({"models": found}) if as_json else print_models(found)


def show(version: NAME = "champion", state: STATE = None, as_json: JSON = False) -> None:
    """Show one model: its manifest, its policy, and how it came to be where it is."""
    directory = _state(state)
    name = find_version(directory, version)
    manifest = load_bundle(bundle_directory(directory, name), expect_features=None).manifest
    policy = policy_of(directory, name)
    history = [change for change in read_registry(directory).history if name in (change.before, change.after)]
    if as_json:
        rules = {"version": policy.version, "file": str(policy_file(directory, name)), "rules": policy}
        print_json({"manifest": manifest, "policy": rules, "history": history})
        return
    data = manifest.data
    print_table(
        name,
        {
            "family": manifest.family,
            "created": f"{manifest.created_at:%Y-%m-%d %H:%M} UTC",
            "trained on": f"{data.start:%Y-%m-%d %H:%M} to {data.end:%Y-%m-%d %H:%M}",
            "as of": f"{data.as_of:%Y-%m-%d %H:%M}",
            "rows": data.rows,
            "frauds": data.frauds,
            "data sha256": data.sha256,
            "features": len(manifest.feature_names),
            "calibration": str(manifest.calibration),
            **{f"{window} window": figures for window, figures in manifest.metrics.items()},
            "libraries": manifest.libraries,
            "policy": f"{policy.version}: review from {policy.review:.6g}, decline from {policy.decline:.6g}",
            "policy file": str(policy_file(directory, name)),
        },
    )
    for change in history:
        print_change(change)


def compare(
    first: NAME,
    second: NAME,
    data: DATA,
    mapping: MAPPING = "simulator",
    since: SINCE = None,
    state: STATE = None,
    as_json: JSON = False,
) -> None:
    """Compare two models on labelled payments that neither was trained on; differences are second less first."""
    directory = _state(state)
    one, other = find_version(directory, first), find_version(directory, second)
    table = read(data, mapping)
    with steps() as bars:
        found = compare_models(directory, one, other, table, since=utc(since), step=bars.step)
    print_json(found) if as_json else print_comparison(found)


def promote(
    version: NAME,
    data: DATA,
    mapping: MAPPING = "simulator",
    since: SINCE = None,
    margin: Annotated[
        float | None,
        typer.Option(
            "--at-least-as-good",
            help="Be content with an average precision not lower by more than this.",
            min=0,
            metavar="MARGIN",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Promote although checks fail; needs --reason.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Kept in the history.")] = "",
    state: STATE = None,
    as_json: JSON = False,
) -> None:
    """Make a model the champion, if it passes the gate on labelled payments later than its training.

    Running processes take it into service within seconds. Status 1 when it does not pass.
    """
    if force and not reason.strip():
        raise ConfigurationError("--force needs a reason.", remedy="Say why with --reason; it is kept in the history.")
    directory = _state(state)
    report = gate.ask(
        directory, find_version(directory, version), read(data, mapping), data, since=utc(since), margin=margin
    )
    promoted = report.passed or (force and "bundle" not in report.failed)
    if promoted:
        promote_model(directory, report, reason=reason or "passed the gate", force=force)
        mirror_aliases(directory, Settings())
    if as_json:
        print_json({"promoted": promoted, "passed": report.passed, "failed": report.failed, "report": report})
    else:
        gate.show(report)
        out.print(
            f"{report.candidate} is the champion{'' if report.passed else ' by force'}."
            if promoted
            else f"Not promoted: {', '.join(report.failed)}.",
            highlight=False,
            soft_wrap=True,
        )
    if not promoted:
        raise typer.Exit(EXIT_FAILED)


def rollback(
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the history.")],
    to: Annotated[
        str | None, typer.Option("--to", help="An earlier champion; the one before when absent.", metavar="VERSION")
    ] = None,
    state: STATE = None,
    as_json: JSON = False,
) -> None:
    """Make the previous champion the champion again, at once and without a gate."""
    directory = _state(state)
    before = read_registry(directory).champion
    after = roll_back(directory, to=to, reason=reason).champion
    if as_json:
        print_json({"champion": after, "before": before})
    else:
        err.print(f"{after} is the champion again, in place of {before}.", highlight=False, soft_wrap=True)
    mirror_aliases(directory, Settings())


def _state(path: Path | None) -> StateDirectory:
    return open_state(path or Settings().state, create=False)


def _listed(state: StateDirectory, registry: Registry, version: str) -> Listed:
    directory = bundle_directory(state, version)
    aliases = {registry.challenger: "challenger", registry.champion: "champion"}
    listed = Listed(
        alias=aliases.get(version), version=version, bytes=sum(file.stat().st_size for file in directory.iterdir())
    )
    try:
        manifest = load_bundle(directory, expect_features=None).manifest
    except BundleError as error:
        return msgspec.structs.replace(listed, problem=str(error))
    test = manifest.metrics.get("test", {})
    return msgspec.structs.replace(
        listed,
        family=manifest.family,
        trained_from=manifest.data.start,
        trained_to=manifest.data.end,
        as_of=manifest.data.as_of,
        average_precision=test.get("average_precision"),
        auc=test.get("auc"),
        test_rows=test.get("rows"),
    )

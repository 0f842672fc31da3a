"""Commands on features: the catalogue, and the proof that live features are those of a replay."""

import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from features.catalogue import FEATURES, Feature, column
from features.feature import FRESHNESS
from features.parity import Parity
from features.store import ENTITIES, FeatureStore
from features.stores.feast_store import open_feast
from features.stores.memory import MemoryStore
from services.cli.options import JSON, MAPPING, SEED
from services.cli.output import out, print_json, print_table, steps
from services.cli.table import SIMULATED, read_or_simulate
from streaming.parity import verify as verify_parity

GROUPS = ("request", *ENTITIES)
STORES = ("memory", "feast")
ENTITY = Annotated[str | None, typer.Option("--entity", help=f"Only one of {', '.join(GROUPS)}.", metavar="ENTITY")]
CONTAINS = Annotated[str | None, typer.Option("--contains", help="Only with this text in name or meaning.")]


def features(context: typer.Context, entity: ENTITY = None, contains: CONTAINS = None, as_json: JSON = False) -> None:
    """List the features; verify that live and offline agree."""
    if context.invoked_subcommand is None:
        list_(entity, contains, as_json)
    elif entity is not None or contains is not None or as_json:
        raise typer.BadParameter(f"put options after `features {context.invoked_subcommand}`")


def list_(entity: ENTITY = None, contains: CONTAINS = None, as_json: JSON = False) -> None:
    """List the catalogue: what each feature means and when it moves."""
    if entity is not None and entity not in GROUPS:
        raise typer.BadParameter(f"{entity!r} is none of {', '.join(GROUPS)}", param_hint="--entity")
    text = (contains or "").lower()
    chosen = [
        feature
        for feature in FEATURES
        if entity in (None, feature.entity) and (text in feature.name.lower() or text in feature.meaning.lower())
    ]
    if as_json:
        print_json({"features": [_entry(feature) for feature in chosen], "count": len(chosen)})
        return
    for group in GROUPS:
        for source, freshness in FRESHNESS.items():
            members = [feature for feature in chosen if (feature.entity, feature.source) == (group, source)]
            if members:
                _print_group(f"{group}: {_counted(len(members))}, {members[0].dtype}, moving {freshness}", members)
    out.print(_counted(len(chosen)), highlight=False)


def verify(
    data: Annotated[
        Path | None, typer.Option("--data", help="CSV or Parquet file of transactions; simulated when absent.")
    ] = None,
    mapping: MAPPING = "simulator",
    transactions: Annotated[
        int | None,
        typer.Option("--transactions", min=1, help=f"How many: of the file all, simulated {SIMULATED:,} when absent."),
    ] = None,
    late: Annotated[
        float, typer.Option("--late", min=0.0, max=1.0, help="Share to deliver late, by up to a day.", metavar="SHARE")
    ] = 0.0,
    seed: SEED = 0,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Transactions in a micro-batch.")] = 64,
    store: Annotated[str, typer.Option("--store", help="Feature store: memory, or feast (on SQLite).")] = "memory",
    as_json: JSON = False,
) -> None:
    """Compare live features with a replay's, bit by bit.

    The same payments and labels pass through micro-batches and a feature store, and through a replay. Ends with status
    1 if a value differs that no late delivery explains.
    """
    if store not in STORES:
        raise typer.BadParameter(f"{store!r} is none of {', '.join(STORES)}", param_hint="--store")
    table = read_or_simulate(data, mapping, transactions or SIMULATED, seed)[:transactions]
    with steps() as bars, _open_store(store) as opened:
        parity = verify_parity(
            table,
            opened,
            batch=batch,
            late=late,
            seed=seed,
            offline_progress=bars.step("offline: replay"),
            online_progress=bars.step("live: micro-batches"),
        )
    if as_json:
        print_json(parity)
    else:
        _print_parity(parity)
    if parity.unexplained:
        raise typer.Exit(1)


def _entry(feature: Feature) -> dict[str, Any]:
    return {
        "name": feature.name,
        "entity": feature.entity,
        "window": feature.window,
        "dtype": feature.dtype,
        "default": None if math.isnan(feature.default) else feature.default,
        "source": feature.source,
        "freshness": feature.freshness,
        "meaning": feature.meaning,
    }


def _counted(features: int) -> str:
    return "1 feature" if features == 1 else f"{features} features"


def _print_group(title: str, members: Sequence[Feature]) -> None:
    out.print(f"[bold]{title}[/]", highlight=False)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("name", "window", "default"):
        table.add_column(name, no_wrap=True)
    table.add_column("meaning", min_width=30)
    for feature in members:
        default = "missing" if math.isnan(feature.default) else f"{feature.default:g}"
        table.add_row(*map(escape, (feature.name, feature.window or "-", default, feature.meaning)))
    out.print(table)
    out.print()


@contextmanager
def _open_store(kind: str) -> Iterator[FeatureStore]:
    """Open an empty feature store that goes away in the end."""
    if kind == "memory":
        yield MemoryStore()
        return
    with tempfile.TemporaryDirectory() as directory, closing(open_feast(Path(directory))) as store:
        yield store


def _print_parity(parity: Parity) -> None:
    """Show the figures, and each feature that differs with its entity and window."""
    figures = ("transactions", "features", "late", "differing", "values_differing", "explained", "unexplained")
    print_table("Live against offline", {name: getattr(parity, name) for name in figures})
    if parity.differing_features:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for name in ("feature", "entity", "window"):
            table.add_column(name, no_wrap=True)
        for name in ("differing", "unexplained"):
            table.add_column(name, justify="right")
        for name, count in parity.differing_features.items():
            feature = FEATURES[column(name)]
            unexplained = parity.unexplained_features.get(name, 0)
            table.add_row(name, feature.entity, feature.window or "-", f"{count:,}", f"{unexplained:,}")
        out.print()
        out.print(table)
    for example in parity.unexplained_examples:
        out.print(
            f"{example.transaction_id}: {example.feature} is {example.offline} offline, {example.online} live",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
    if not parity.unexplained:
        out.print("Every value is the same bit by bit" + (", or explained." if parity.differing else "."))

"""How models, comparisons of two and changes of the registry are shown to a person."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from rich.markup import escape
from rich.table import Table

from models.comparison import VERDICTS, Difference
from models.gate import SEGMENT_MIN_FRAUD_CARDS
from services.cli.output import out, print_table
from services.model_comparison import ModelComparison
from services.registry import Change

SHOWN = 8  # segments of a dimension


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One model of the list; ``problem`` says why it cannot be loaded. Figures are those of its test window."""

    alias: str | None
    version: str
    bytes: int
    family: str | None = None
    trained_from: datetime | None = None
    trained_to: datetime | None = None
    as_of: datetime | None = None
    average_precision: float | None = None
    auc: float | None = None
    test_rows: float | None = None
    problem: str | None = None


def print_models(models: Sequence[Listed]) -> None:
    """Print one line a model."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("alias", "version", "family", "trained on"):
        table.add_column(name, no_wrap=name == "version")
    for name in ("tested on later rows", "average precision", "AUC", "size"):
        table.add_column(name, justify="right")
    for one in models:
        window = f"{one.trained_from:%Y-%m-%d} to {one.trained_to:%Y-%m-%d}" if one.trained_from else one.problem or ""
        figures = ["-" if figure is None else f"{figure:.4f}" for figure in (one.average_precision, one.auc)]
        rows = "-" if one.test_rows is None else f"{one.test_rows:,.0f}"
        size = f"{one.bytes / 1e6:.1f} MB"
        cells = one.alias or "-", one.version, one.family or "-", window, rows, *figures, size
        table.add_row(*map(escape, cells))
    out.print(table)


def print_change(change: Change) -> None:
    """Print one change of an alias on a line, with the checks that failed."""
    failed = f" (failed: {', '.join(change.gate.failed)})" if change.gate and change.gate.failed else ""
    out.print(
        f"{change.at:%Y-%m-%d %H:%M} {change.action} {change.alias}: {change.before or 'none'} -> {change.after} "
        f"by {escape(change.by)}: {escape(change.reason)}{failed}",
        highlight=False,
        soft_wrap=True,
    )


def print_comparison(found: ModelComparison) -> None:
    """Print figures, segments and moved decisions."""
    print_table(
        "Compared",
        {
            "first": found.first,
            "second": found.second,
            "from": f"{found.start:%Y-%m-%d %H:%M}",
            "to": f"{found.end:%Y-%m-%d %H:%M}",
            "rows": found.rows,
            "frauds": found.frauds,
            "left out": {reason: count for reason, count in found.left_out.items() if count} or "nothing",
            "calibration error": found.calibration_error,
        },
    )
    _print(_differences(found))
    _print(_segments(found))
    _print(_moves(found))


def _differences(found: ModelComparison) -> Table:
    table = _table("figure", "first", "second", "difference", "95 % interval")
    for name, figure in found.figures.items():
        table.add_row(name.replace("_", " "), *_cells(figure))
    return table


def _segments(found: ModelComparison) -> Table:
    table = _table("segment", "rows", "frauds", "recall, first", "second", "difference", "95 % interval")
    shown: dict[str, int] = {}
    for one in found.segments:
        shown[one.dimension] = shown.get(one.dimension, 0) + 1
        if shown[one.dimension] <= SHOWN:
            name = escape(f"{one.dimension}: {one.segment}")
            *figures, interval = _cells(one.recall)
            few = one.fraud_cards < SEGMENT_MIN_FRAUD_CARDS  # their draws would hardly differ
            table.add_row(name, f"{one.rows:,}", f"{one.frauds:,}", *figures, "too few" if few else interval)
    return table


def _moves(found: ModelComparison) -> Table:
    table = _table("decisions, first", *(f"second: {verdict}" for verdict in VERDICTS))
    for before in VERDICTS:
        counts = found.moves[before]
        table.add_row(before, *(f"{counts[after]:,} ({counts[f'frauds to {after}']:,} fraud)" for after in VERDICTS))
    return table


def _cells(one: Difference) -> tuple[str, str, str, str]:
    return f"{one.first:.4f}", f"{one.second:.4f}", f"{one.difference:+.4f}", f"{one.low:+.4f} to {one.high:+.4f}"


def _table(first: str, *names: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(first)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _print(table: Table) -> None:
    out.print()
    out.print(table)

"""How the command line asks the gate, and shows what it said."""

from pathlib import Path

import pandas as pd
from rich.markup import escape

from models.gate_report import GateReport
from models.scorer import Matrix
from services.cli.output import out, print_table, steps
from services.gate import run_gate
from services.settings import Settings
from services.state_directory import StateDirectory


def ask(
    state: StateDirectory,
    version: str,
    table: pd.DataFrame,
    data: Path,
    *,
    features: Matrix | None = None,
    since: pd.Timestamp | None = None,
    margin: float | None = None,
) -> GateReport:
    """Run the gate with its progress shown; ``features`` are the table's, where they are known already."""
    with steps() as bars:
        return run_gate(
            state,
            version,
            table,
            data=data.name,
            step=bars.step,
            features=features,
            since=since,
            margin=margin,
            budget_ms=Settings().model_budget_ms,
        )


def show(report: GateReport) -> None:
    """Print what the gate looked at, then one line a check."""
    left_out = {reason: count for reason, count in report.left_out.items() if count}
    seen = {"candidate": report.candidate, "champion": report.champion or "none", "data": report.data}
    if report.start and report.end:
        seen |= {"from": f"{report.start:%Y-%m-%d %H:%M}", "to": f"{report.end:%Y-%m-%d %H:%M}"}
    print_table("The gate", seen | {"rows": report.rows, "frauds": report.frauds, "left_out": left_out or "nothing"})
    for check in report.checks:
        mark = "[green]ok  [/]" if check.passed else "[bold red]FAIL[/]"
        out.print(f"{mark} {check.name:<18} {escape(check.sentence)}", highlight=False, soft_wrap=True)

"""What the demo says at the end: the figures, and what to try next."""

import shlex
import sys
from pathlib import Path

import msgspec
import pandas as pd
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from features.codec import encode_transaction
from features.table import transactions
from services.demo.tally import Tally
from services.state_directory import StateDirectory
from services.system import System
from streaming.scoring import utc_now

LARGE = 900.0


def summary_panel(result: dict[str, object]) -> Panel:
    """Draw the summary of a run."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in result.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
        table.add_row(name.replace("_", " "), shown)
    return Panel(table, title="What happened", padding=(1, 2))


def say_hints(
    console: Console, system: System, state: StateDirectory, bootstrap: str, stream: pd.DataFrame, tally: Tally
) -> None:
    """Print commands to paste: score a payment, explain a decision, break one and find it again."""
    program = shlex.quote(_program())
    auth = f'-H "Authorization: Bearer $(cat {shlex.quote(str(state.token))})"'
    payment = msgspec.structs.replace(
        next(transactions(stream.tail(1))), transaction_id="try-1", amount=LARGE, event_time=utc_now()
    )
    body = shlex.quote(encode_transaction(payment).decode())
    declined = tally.notable[-1].transaction_id if tally.notable else stream["transaction_id"].iloc[-1]
    explain = shlex.quote(msgspec.json.encode({"transaction_id": declined}).decode())
    location = f"KAFKA_BOOTSTRAP={bootstrap} {program}"
    option = f"--state {shlex.quote(str(state.path))}"
    json = '-H "Content-Type: application/json"'
    console.print("\nThe system is up. Paste any of these into another terminal; Ctrl-C stops it.", style="bold")
    for title, command in (
        ("score one payment", f"curl -s {auth} {json} {system.url('score')}/v1/score -d {body}"),
        ("explain a decision", f"curl -s {auth} {json} {system.url('explain')}/v1/explain -d {explain}"),
        ("send a broken payment", f'echo \'{{"amount": "twelve"}}\' | {location} send {option}'),
        ("and find it in the dead-letter queue", f"{location} dlq list {option}"),
        ("look at the worker's metrics", f"curl -s {auth} {system.url('worker')}/metrics | grep fraud_"),
    ):
        console.print(f"\n# {title}", style="cyan")
        console.print(command, soft_wrap=True, markup=False, highlight=False)


def _program() -> str:
    return str(Path(sys.argv[0]).resolve()) if Path(sys.argv[0]).name == "ringfence" else "ringfence"

"""The live view of a run, redrawn a few times a second; plain lines where there is no terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from services.demo.tally import Tally

COLOURS = {"approve": "green", "review": "yellow", "decline": "red"}
PLAIN_EVERY_S = 5.0
STAGES = {
    "end to end": "produced → decision read",
    "intake": "decode, validate, deduplicate",
    "store_read": "read feature states (Feast)",
    "fold": "compute features",
    "model": "score and calibrate",
    "policy": "decide and explain",
}


class View:
    """Draws a `Tally` while it grows."""

    def __init__(self, console: Console, tally: Tally, total: int) -> None:
        self._console = console
        self._tally = tally
        self._total = total
        self._started = monotonic()
        self._plain_at = 0.0
        self._progress = Progress(
            TextColumn("[bold]payments"), BarColumn(None), MofNCompleteColumn(), TimeRemainingColumn(), console=console
        )
        self._task: TaskID = self._progress.add_task("stream", total=total)
        self._live: Live | None = None

    @contextmanager
    def running(self) -> Iterator["View"]:
        """Show the view for the duration."""
        if not self._console.is_terminal:
            yield self
            return
        with Live(self._draw(), console=self._console, refresh_per_second=4) as self._live:
            yield self
            self.refresh()

    def refresh(self) -> None:
        """Redraw, or print a line now and then."""
        done = self._tally.decisions + self._tally.dead_lettered
        self._progress.update(self._task, completed=done)
        if self._live is not None:
            self._live.update(self._draw())
        elif monotonic() - self._plain_at >= PLAIN_EVERY_S:
            self._plain_at = monotonic()
            p50, p99 = self._tally.recent_ms().get("end to end", (float("nan"), float("nan")))
            self._console.print(
                f"{done:>9,} of {self._total:,} decided · {self._rate():,.0f}/s · p50 {p50:.1f} ms · p99 {p99:.1f} ms"
            )

    def _rate(self) -> float:
        return self._tally.decisions / max(monotonic() - self._started, 1e-9)

    def _draw(self) -> Panel:
        tally = self._tally
        counts = Text.assemble(
            *((f"{tally.verdicts[verdict]:>8,} {verdict} ", colour) for verdict, colour in COLOURS.items()),
            (f"{tally.dead_lettered:>6,} dead-lettered ", "magenta"),
            f"  {self._rate():,.0f} a second",
        )
        caught = sum(n for verdict, n in tally.fraud_verdicts.items() if verdict != "approve")
        frauds = sum(tally.fraud_verdicts.values())
        fraud = Text(f"fraud seen so far: {frauds:,}, stopped or sent to review: {caught:,}")
        return Panel(
            Group(self._progress, counts, fraud, self._latencies(), self._notable()),
            title="Ringfence: payments being scored",
            padding=(1, 2),
        )

    def _latencies(self) -> Table:
        table = Table(box=None, pad_edge=False)
        table.add_column("milliseconds")
        table.add_column("p50", justify="right")
        table.add_column("p99", justify="right")
        recent = self._tally.recent_ms()
        for stage, meaning in STAGES.items():
            if stage in recent:
                p50, p99 = recent[stage]
                table.add_row(meaning, f"{p50:.2f}", f"{p99:.2f}", style="bold" if stage == "end to end" else "")
        return table

    def _notable(self) -> Table:
        table = Table(box=None, pad_edge=False, title="last payments not approved", title_justify="left")
        for name in ("transaction", "score", "decision", "why"):
            table.add_column(name, no_wrap=True, justify="right" if name == "score" else "left")
        for decision in list(self._tally.notable):
            table.add_row(
                decision.transaction_id,
                f"{decision.score:.3f}",
                Text(decision.decision, COLOURS[decision.decision]),
                ", ".join(code.replace("_", " ").lower() for code in decision.reason_codes[:2]),
            )
        return table

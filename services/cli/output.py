"""How the command line speaks: progress and prose on stderr, results on stdout, JSON last when asked for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

out = Console()
err = Console(stderr=True)


def print_json(result: Any) -> None:
    """Print one machine-readable object on a line of its own."""
    out.print(msgspec.json.encode(result).decode(), markup=False, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Print a line of prose on stderr as it is, whatever brackets and quotes it holds."""
    err.print(text, markup=False, highlight=False, soft_wrap=True)


def print_table(title: str, result: dict[str, Any]) -> None:
    """Print names and values for a person."""
    table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in result.items():
        table.add_row(name.replace("_", " "), shown(value))
    out.print(table)


def shown(value: Any) -> str:
    """Return a value as a person reads it."""
    if isinstance(value, float):
        return f"{value:,.4f}" if abs(value) < 100 else f"{value:,.1f}"
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {shown(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(shown(item) for item in value)
    return str(value)


class Steps:
    """Progress of steps that come one after the other: a bar each, begun when it is first told of."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def step(self, what: str) -> Callable[[int, int], None]:
        """Return a callback that takes (done, total) for the step named ``what``."""

        def tell(done: int, total: int) -> None:
            if what not in self._tasks:
                self._tasks[what] = self._bars.add_task(what)
            self._bars.update(self._tasks[what], completed=done, total=total)

        return tell


@contextmanager
def steps() -> Iterator[Steps]:
    """Show progress bars on stderr; where it is no terminal, they are printed once at the end."""
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        console=err,
    ) as bars:
        yield Steps(bars)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show one bar named ``what``; yields a callback that takes (done, total)."""
    with steps() as bars:
        tell = bars.step(what)
        tell(0, 1)
        yield tell
        tell(1, 1)

"""Commands on the dead-letter queue."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from features.errors import ConfigurationError
from services.cli.options import JSON, STATE
from services.cli.output import out, print_json
from services.composition import Root
from services.settings import Settings
from services.state_directory import open_state
from streaming.broker import Cluster
from streaming.dead_letter_queue import Entry, list_dead_letters, replay_dead_letters, show_dead_letter
from streaming.scoring import utc_now

IDS = Annotated[list[str], typer.Argument(help="Entries, as `dlq list` names them.", metavar="ID...")]


def list_(state: STATE = None, as_json: JSON = False) -> None:
    """List dead letters: what was wrong, where and when; never their content."""
    with _broker(state) as broker:
        entries = list_dead_letters(broker)
    if as_json:
        print_json({"dead_letters": entries})
        return
    if not entries:
        out.print("The dead-letter queue is empty.")
        return
    for entry in entries:
        out.print(*_row(entry), markup=False, highlight=False, soft_wrap=True)
        out.print(f"    {entry.letter.message}", markup=False, highlight=False, soft_wrap=True)


def show(
    entry_id: Annotated[str, typer.Argument(help="Entry, as `dlq list` names it.", metavar="ID")], state: STATE = None
) -> None:
    """Show one dead letter's original content, card numbers masked."""
    with _broker(state) as broker:
        shown = show_dead_letter(broker, entry_id)
    letter = shown.entry.letter
    out.print(f"{letter.code}: {letter.message}", markup=False, highlight=False)
    out.print(
        f"{letter.size:,} bytes from {letter.topic} {letter.partition}:{letter.offset}, {letter.at}", highlight=False
    )
    if letter.cut:
        out.print("Only its beginning was kept.")
    out.print(shown.text, markup=False, highlight=False, soft_wrap=True)


def replay(
    ids: IDS,
    file: Annotated[Path | None, typer.Option("--file", help="Send this content instead: for one ID.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Also what was replayed before.")] = False,
    state: STATE = None,
) -> None:
    """Put dead letters back where they came from, as they were or mended."""
    if file is not None and len(ids) != 1:
        raise ConfigurationError("--file mends one entry.", remedy="Name exactly one ID with it.")
    mended = {ids[0]: file.read_bytes()} if file is not None else None
    with _broker(state) as broker:
        done = replay_dead_letters(broker, ids, now=utc_now(), mended=mended, again=again)
    for one in done:
        what = f"not sent: {one.skipped} (--again sends it anyway)" if one.skipped else f"sent to {one.topic}"
        out.print(f"{one.id} {what}", markup=False, highlight=False)


@contextmanager
def _broker(state: Path | None) -> Iterator[Cluster]:
    settings = Settings()
    broker = Root(settings, open_state(state or settings.state, create=False)).broker()
    try:
        yield broker
    finally:
        broker.close()


def _row(entry: Entry) -> list[str]:
    letter = entry.letter
    what = f"{letter.code} in {letter.field}" if letter.field else letter.code
    row = [letter.id, f"{letter.at[:19]}Z", what, f"from {letter.topic} {letter.partition}:{letter.offset}"]
    return [*row, f"replayed {entry.replayed_at[:19]}Z"] if entry.replayed_at else row

"""Makes a state directory ready to serve: features back-filled, model trained, labels to come announced."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from features.errors import StateError
from features.progress import Progress
from services.composition import Root
from services.demo.source import Source
from services.first_start import start_from


class Prepared(msgspec.Struct, frozen=True):
    """What a state directory was prepared from; written last, so that its presence means that all else is there."""

    fingerprint: str


def is_prepared(directory: Path, source: Source) -> bool:
    """Tell whether the directory is ready for ``source``; raises `StateError` when it was made for other data."""
    path = directory / "prepared.json"
    if not path.exists():
        return False
    try:
        prepared = msgspec.json.decode(path.read_bytes(), type=Prepared)
    except msgspec.DecodeError:
        raise StateError(f"{path} is damaged.", remedy=_start_over(directory)) from None
    if prepared.fingerprint != source.fingerprint:
        raise StateError(
            f"{directory.parent} was prepared from other data than {source.name} at this split.",
            remedy=_start_over(directory),
        )
    return True


def prepare(
    root: Root, directory: Path, source: Source, fold: Progress, fit: Callable[[str, float], None], load: Progress
) -> None:
    """Train on what was known at the split and leave the online store as if the history had been live."""
    start_from(root, source.history, as_of=source.split, fold=fold, fit=fit, load=load)
    mark_prepared(directory, source)


def mark_prepared(directory: Path, source: Source) -> None:
    """Say that the directory is ready for ``source``."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "prepared.json").write_bytes(msgspec.json.encode(Prepared(source.fingerprint)))


def _start_over(directory: Path) -> str:
    return f"Start over with another --state directory, or delete {directory.parent}."

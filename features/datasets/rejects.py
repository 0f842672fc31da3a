"""Rows that cannot be mapped: counted by reason, and written aside with row number, column and value."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from features.errors import DataError
from features.reference import mask_card_numbers

Mask = NDArray[np.bool_]
_VALUE_LIMIT = 200


@dataclass(frozen=True)
class Reject:
    """One row left out. ``row`` counts the file's records from 1, without a header and blank lines.

    ``column`` is the file's column, empty where the row as a whole is wrong; ``value`` is None where there is none to
    show.
    """

    row: int
    column: str
    reason: str
    value: str | None


class Rejects:
    """Collects rejects over the rows of one table; the first problem of a row is the one that counts."""

    def __init__(self, rows: NDArray[np.int64]) -> None:
        self._rows = rows
        self._problem = np.zeros(len(rows), dtype=np.int16)  # 0: none yet, else an index into _kinds
        self._kinds: list[tuple[str, str, Callable[[int], str | None] | None]] = [("", "", None)]
        self._others: list[Reject] = []

    def add(self, bad: Mask, column: str, reason: str, value: Callable[[int], str | None] | None = None) -> None:
        """Reject the rows of ``bad``, shape (n,); ``value`` tells what stands at an index of the table."""
        new = bad & (self._problem == 0)
        if new.any():
            self._problem[new] = len(self._kinds)
            self._kinds.append((column, reason, value))

    def add_unparsed(self, rejects: list[Reject]) -> None:
        """Add rows that never made it into the table."""
        self._others.extend(rejects)

    @property
    def good(self) -> Mask:
        """Rows without a problem, shape (n,)."""
        good: Mask = self._problem == 0
        return good

    @property
    def count(self) -> int:
        """How many rows were rejected."""
        return int(np.count_nonzero(self._problem)) + len(self._others)

    def reasons(self) -> dict[str, int]:
        """How many rows were rejected for each reason, most frequent first."""
        counts: dict[str, int] = {}
        of_kind = np.bincount(self._problem, minlength=len(self._kinds))
        for (_, reason, _), count in zip(self._kinds[1:], of_kind[1:].tolist(), strict=True):
            counts[reason] = counts.get(reason, 0) + count
        for reject in self._others:
            counts[reject.reason] = counts.get(reject.reason, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def first(self) -> Reject | None:
        """The reject with the lowest row number."""
        return min(self, key=lambda reject: reject.row, default=None)

    def write(self, path: Path) -> None:
        """Write all rejects as JSON lines in the file's order, replacing ``path``; never a card number.

        Raises `DataError` if the file cannot be written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w", encoding="utf-8") as file:
                for reject in sorted(self, key=lambda reject: reject.row):
                    file.write(json.dumps(vars(reject), ensure_ascii=True) + "\n")
        except OSError as exc:
            raise DataError(
                f"Rejected rows cannot be written to {path}: {exc.strerror or exc}.",
                remedy="Choose another place for them, or free some room.",
            ) from exc

    def __iter__(self) -> Iterator[Reject]:
        for index in np.flatnonzero(self._problem).tolist():
            column, reason, value = self._kinds[self._problem[index]]
            shown = None if value is None else showable(value(index))
            yield Reject(int(self._rows[index]), column, reason, shown)
        yield from self._others


def showable(value: str | None) -> str | None:
    """Shorten a value for the rejects file; None if a card number is in it."""
    if value is None or mask_card_numbers(value) != value:
        return None
    return value if len(value) <= _VALUE_LIMIT else value[:_VALUE_LIMIT] + "…"

"""A mapping as values: what `features.datasets.mapping` loads and `features.datasets.reader` obeys."""

from dataclasses import dataclass, field
from datetime import timedelta

from features.table import INCLUSION, OPTIONAL_NUMBERS

TIMES = ("event_time",)
NUMBERS = ("amount", *OPTIONAL_NUMBERS, INCLUSION)
UNIX_UNITS = {"unix_s": 1_000_000, "unix_ms": 1_000, "unix_us": 1}  # microseconds


@dataclass(frozen=True)
class FieldMapping:
    """How one field is read. Exactly one of ``column`` and ``constant`` is set."""

    column: str | None = None
    constant: str | None = None
    prefix: str = ""
    values: dict[str, str] = field(default_factory=dict)
    divisor: float = 1.0
    factor: float = 1.0
    format: str = "iso"
    zone: str | None = None
    optional: bool = False


@dataclass(frozen=True)
class LabelMapping:
    """How labels are read. Exactly one of ``time`` and ``delay`` is set; fraud and honest values are in lower case.

    ``inclusion_probability`` is the column of how likely each label was to exist, where labels are a selection.
    """

    column: str
    fraud: frozenset[str]
    honest: frozenset[str]
    time: FieldMapping | None
    delay: timedelta | None
    inclusion_probability: FieldMapping | None = None
    optional: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column of the file that labels are read from."""
        fields = (self.time, self.inclusion_probability)
        return (self.column, *(field.column for field in fields if field is not None and field.column))


@dataclass(frozen=True)
class Mapping:
    """A whole mapping file; ``name`` is the shipped name or the path."""

    name: str
    fields: dict[str, FieldMapping]
    label: LabelMapping | None
    delimiter: str = ","
    description: str = ""

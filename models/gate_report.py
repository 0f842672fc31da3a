"""What the gate hands over: its checks, each with one plain sentence, and what they were made on."""

from datetime import datetime

import msgspec


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One check of the gate: what was measured, what it is held against, and one plain sentence."""

    name: str
    passed: bool
    value: float
    bound: float
    sentence: str


class GateReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a candidate showed. ``left_out`` counts rows that could not serve, by reason; times are UTC."""

    candidate: str
    champion: str | None
    data: str
    start: datetime | None = None
    end: datetime | None = None
    rows: int = 0
    frauds: int = 0
    left_out: dict[str, int] = {}
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def failed(self) -> list[str]:
        """Names of the checks that failed."""
        return [check.name for check in self.checks if not check.passed]

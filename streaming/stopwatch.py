"""How long the stages of one micro-batch take."""

from time import perf_counter


class Stopwatch:
    """Laps in milliseconds, by stage."""

    def __init__(self, stage_ms: dict[str, float] | None = None) -> None:
        self.stage_ms: dict[str, float] = dict(stage_ms or {})
        self._last = perf_counter()

    def lap(self, stage: str) -> None:
        """Book the time since the last lap on ``stage``."""
        now = perf_counter()
        self.stage_ms[stage] = round((now - self._last) * 1000, 3)
        self._last = now

    def skip(self) -> None:
        """Start the next lap now; the time since the last one is booked elsewhere."""
        self._last = perf_counter()

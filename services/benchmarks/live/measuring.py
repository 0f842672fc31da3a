"""Measures what runs: the load's figures, and what the processes took meanwhile."""

from collections.abc import Mapping
from threading import Event, Thread
from time import monotonic
from typing import Any

from features.progress import Progress
from services.benchmarks.live.arrivals import MINUTE_S, Figures
from services.benchmarks.live.orders import Command, Report
from services.benchmarks.live.running import Live
from services.benchmarks.live.stages import breakdown
from services.benchmarks.live.usage import cpu_s, rss_mb


def measure(running: Live, command: Command, tell: Progress) -> dict[str, Any]:
    """Run ``command`` and return its figures with what the processes took meanwhile."""
    watch = _Watch(running)

    def hear(report: Report) -> None:
        running.system.check()
        tell(report.sent, report.total)

    figures = running.load.run(command, measuring=watch.start, tell=hear)
    return _summed_up(running, figures, watch)


class _Watch:
    """Looks at the processes when the measurement begins, every minute, and when it ends."""

    def __init__(self, running: Live) -> None:
        self._running = running
        self._stop = Event()
        self._thread = Thread(target=self._every_minute, daemon=True)

    def start(self) -> None:
        self.cpu = cpu_s(self._running.measured), cpu_s(self._running.around)
        self.metrics = self._running.metrics()
        self.rss_mb = [rss_mb(self._running.measured)]
        self.started = monotonic()
        self._thread.start()

    def _every_minute(self) -> None:
        while not self._stop.wait(MINUTE_S):
            self.rss_mb.append(rss_mb(self._running.measured))

    def stop(self) -> None:
        self.seconds = monotonic() - self.started
        self._stop.set()
        self._thread.join()


def _summed_up(running: Live, figures: Figures, watch: _Watch) -> dict[str, Any]:
    watch.stop()
    decided = sum(figures.verdicts.values())
    ended = cpu_s(running.measured), cpu_s(running.around)
    stages = breakdown(watch.metrics, running.metrics(), watch.seconds)
    rss = [*watch.rss_mb[1:], rss_mb(running.measured)]

    def per_1000(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
        return {name: round((after[name] - before[name]) / max(1, decided) * 1000, 3) for name in after}

    return {
        "offered_per_s": figures.offered_per_s,
        "achieved_per_s": figures.achieved_per_s,
        "latency_ms": figures.latency_ms,
        "lost": figures.lost,
        "duplicated": figures.duplicated,
        "degraded": figures.degraded,
        "errors": figures.errors,
        "cpu_s_per_1000": round(sum(per_1000(watch.cpu[0], ended[0]).values()), 3),
        "cpu_s_per_1000_around": per_1000(watch.cpu[1], ended[1]),
        "batch": stages.batch,
        "stage_ms": stages.stage_ms,
        "busy": stages.busy,
        "bottleneck": stages.bottleneck,
        "decided": decided,
        "verdicts": figures.verdicts,
        "sent_late_ms": figures.sent_late_ms,
        "rss_mb": {"start": watch.rss_mb[0], "end": rss[-1]},
        "per_minute": [{"rss_mb": mb, **minute} for mb, minute in zip(rss, figures.per_minute, strict=False)],
    }

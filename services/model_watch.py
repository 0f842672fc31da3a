"""Takes a promoted model, or an edited policy, into service while the process runs.

A thread looks once a second whether the registry, or a file of the champion, has changed. Reading, hashing, the smoke
test and warming up all happen there; what decides only ever sees one finished pair in exchange for another. What fails
on the way is refused: the old pair goes on, and nothing is tried again until a file changes.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from types import TracebackType
from typing import Self

import numpy as np
import structlog

from features.errors import RingfenceError
from models.bundle import Bundle
from monitoring.metrics import Metrics
from services.champion import Served, champion_version, policy_file, served
from services.state_directory import StateDirectory
from streaming.scoring import Scoring

log = structlog.get_logger(__name__)
INTERVAL_S = 1.0
_WARM_ROWS = 64

Stamp = tuple[object, ...]


class ModelWatch:
    """Keeps ``scoring`` at the champion of a state directory."""

    def __init__(
        self, state: StateDirectory, scoring: Scoring, metrics: Metrics, *, interval_s: float = INTERVAL_S
    ) -> None:
        self._state = state
        self._scoring = scoring
        self._metrics = metrics
        self._interval_s = interval_s
        self._registry: Stamp = ()
        self._files: Stamp = ()
        self._version: str | None = None
        self._before: Served | None = None
        self._stop = Flag()
        self._thread = Thread(target=self._run, name="model-watch", daemon=True)
        self._tell()

    def __enter__(self) -> Self:
        """Look at once, for what changed while the process warmed up, then every ``interval_s`` seconds."""
        self.look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the thread, once it is done with what it is loading."""
        self._stop.set()
        self._thread.join()

    def look(self) -> None:
        """Take the champion into service if it, its policy or their files have changed since the last look."""
        registry = _stamp([self._state.registry])
        if registry != self._registry:
            self._registry = registry
            try:
                self._version = champion_version(self._state)
            except RingfenceError as error:
                self._refuse("the champion", error)
        if self._version is not None:
            files = self._champions_files(self._version)
            if files != self._files:
                self._files = files  # as of before they are read: what changes meanwhile is seen at the next look
                self._take(self._version)

    def _run(self) -> None:
        while not self._stop.wait(self._interval_s):
            try:
                self.look()
            except Exception:  # the thread must outlive whatever it meets; the pair in use goes on
                log.exception("looking for another model failed")

    def _take(self, version: str) -> None:
        """Load a version and hand it to ``scoring``; where it fails, leave things as they are."""
        try:
            found = served(self._state, version)
            found.bundle.smoke_test()
            _warm_up(found.bundle)
            if found.bundle.network is not None:
                self._scoring.network.warm_up(found.bundle.network)
        except Exception as error:  # whatever a library makes of a bad model: it must not be served
            self._refuse(version, error)
            return
        bundle, policy = self._scoring.bundle, self._scoring.policy
        if (found.bundle.version, found.policy.version) == (bundle.version, policy.version):
            return
        # Kept until the next change: letting go of a model frees it in whichever thread does so last.
        self._before = Served(bundle, policy)
        self._scoring.swap(*found)
        self._metrics.model_swap("swapped")
        self._tell()
        log.info(
            "another model is in service",
            model_version=found.bundle.version,
            policy_version=found.policy.version,
            instead_of=bundle.version,
        )

    def _refuse(self, version: str, error: Exception) -> None:
        self._metrics.model_swap("refused")
        log.error(
            "a change of model is refused; the model in use goes on",
            refused=version,
            in_use=self._scoring.bundle.version,
            error=str(error),
        )

    def _tell(self) -> None:
        bundle, policy = self._scoring.bundle, self._scoring.policy
        family = bundle.manifest.family
        self._metrics.model(model_version=bundle.version, policy_version=policy.version, family=family)

    def _champions_files(self, version: str) -> Stamp:
        directory = self._state.bundles / version
        inside = sorted(directory.iterdir()) if directory.is_dir() else []
        return version, *_stamp([policy_file(self._state, version), directory, *inside])


def _stamp(paths: Sequence[Path]) -> Stamp:
    """Return what tells one content of files from another without reading them."""
    found: list[object] = []
    for path in paths:
        with suppress(OSError):
            status = path.stat()
            found.append((path.name, status.st_ino, status.st_mtime_ns, status.st_size))
    return tuple(found)


def _warm_up(bundle: Bundle) -> None:
    """Score and explain once in the sizes that serving uses, so that the first payment finds everything in place."""
    rows = np.array(bundle.probes.features, dtype=np.float32)
    bundle.score(np.resize(rows, (_WARM_ROWS, rows.shape[1])))
    bundle.explain(rows[:1])

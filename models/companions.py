"""What may stand beside a model in its bundle: the anomaly score and the fallback, each in files of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from models import anomaly as anomaly_files
from models import fallback as fallback_files
from models.anomaly import Anomaly, anomaly_from_bytes
from models.fallback import Fallback, fallback_from_bytes
from models.scorer import Matrix

ANOMALY_FILES = frozenset({anomaly_files.FILE_NAME})
FALLBACK_FILES = frozenset({fallback_files.FILE_NAME, fallback_files.TREES_FILE})
COMPANION_FILES = ANOMALY_FILES | FALLBACK_FILES


@dataclass(frozen=True, slots=True)
class Companions:
    """None where a bundle has no such companion: then nothing is unusual, or the model itself scores on defaults."""

    anomaly: Anomaly | None = None
    fallback: Fallback | None = None

    def save(self, directory: Path, probes: Matrix) -> None:
        """Write the companions' files, with what is expected of ``probes`` (n, f)."""
        if self.anomaly is not None:
            tables = msgspec.structs.replace(self.anomaly.tables, percentiles=self.anomaly.percentile(probes).tolist())
            (directory / anomaly_files.FILE_NAME).write_bytes(msgspec.json.encode(tables))
        if self.fallback is not None:
            head = msgspec.structs.replace(self.fallback.head, log_odds=self.fallback.log_odds(probes).tolist())
            (directory / fallback_files.FILE_NAME).write_bytes(msgspec.json.encode(head))
            (directory / fallback_files.TREES_FILE).write_bytes(self.fallback.scorer.to_bytes())

    def misses(self, probes: Matrix, tolerance: float) -> list[str]:
        """Name the companions that score ``probes`` otherwise than when they were written."""
        pairs: dict[str, tuple[ArrayLike, ArrayLike]] = {}
        if self.anomaly is not None:
            pairs["anomaly score"] = self.anomaly.percentile(probes), self.anomaly.tables.percentiles
        if self.fallback is not None:
            pairs["fallback"] = self.fallback.log_odds(probes), self.fallback.head.log_odds
        return [name for name, (got, expected) in pairs.items() if not _close(got, expected, tolerance)]


NO_COMPANIONS = Companions()


def are_companion_files(names: set[str]) -> bool:
    """Tell whether ``names`` are the files of companions, each complete."""
    return names <= COMPANION_FILES and names & FALLBACK_FILES in (set(), FALLBACK_FILES)


def read_companions(raw: Mapping[str, bytes], names: Sequence[str], source: str) -> Companions:
    """Parse the companions among a bundle's files, by name; raise `BundleError` naming the file in ``source``."""
    anomaly = fallback = None
    if raw.keys() >= ANOMALY_FILES:
        name = anomaly_files.FILE_NAME
        anomaly = anomaly_from_bytes(raw[name], f"{source}/{name}", names)
    if raw.keys() >= FALLBACK_FILES:
        trees, head = raw[fallback_files.TREES_FILE], raw[fallback_files.FILE_NAME]
        fallback = fallback_from_bytes(trees, head, source, names)
    return Companions(anomaly, fallback)


def _close(got: ArrayLike, expected: ArrayLike, tolerance: float) -> bool:
    found, wanted = np.asarray(got), np.asarray(expected)
    return found.shape == wanted.shape and bool(np.allclose(found, wanted, rtol=tolerance, atol=tolerance))

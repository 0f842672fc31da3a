"""Ring snapshots: what one run found, as a file of data that says when it was found and is noticed when changed.

A snapshot is two files, named after its moment: ``<moment>.json`` with the rings and ``<moment>.links.parquet`` with
all links of the past, from which neighbourhoods are answered. The first carries its own checksum and the other's.
"""

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from features.durable import replace_file
from features.errors import StateError
from models.rings.communities.suspicion import RingSettings
from models.rings.communities.types import FraudRing

FORMAT = 1
RECOVER = "Restore it from a backup, or delete it and run `ringfence rings find` again."
_NAME = "%Y%m%dT%H%M%S%fZ"
_NAMED = re.compile(r"\d{8}T\d{12}Z\.json")


class RingSnapshot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rings known at ``at``, the highest score first.

    ``version`` is made from everything but the time of making: the same run gives the same. ``links_sha256`` is that of
    the file of links.
    """

    format: int
    version: str
    at: datetime
    made_at: datetime
    settings: RingSettings
    transactions: int
    rings: tuple[FraudRing, ...]
    links_sha256: str
    checksum: str = ""

    def find(self, ring_id: str) -> FraudRing | None:
        """Return one ring, None if there is none of this id."""
        return next((ring for ring in self.rings if ring.ring_id == ring_id), None)


def save_snapshot(directory: Path, snapshot: RingSnapshot, links: bytes) -> RingSnapshot:
    """Write both files, the links first, and return the snapshot as sealed; one of the same moment is replaced."""
    sealed = _sealed(msgspec.structs.replace(snapshot, links_sha256=hashlib.sha256(links).hexdigest()))
    replace_file(links_path(directory, sealed.at), links)
    replace_file(_path(directory, sealed.at), msgspec.json.encode(sealed))
    return sealed


def moments(directory: Path) -> list[datetime]:
    """Return the moments that there are snapshots of, the earliest first."""
    if not directory.is_dir():
        return []
    names = sorted(path.name for path in directory.iterdir() if _NAMED.fullmatch(path.name))
    return [datetime.strptime(name.removesuffix(".json"), _NAME).replace(tzinfo=UTC) for name in names]


def load_snapshot(directory: Path, at: datetime) -> RingSnapshot:
    """Read the snapshot of one moment; raise `StateError` where it is damaged or was changed."""
    path = _path(directory, at)
    try:
        content = path.read_bytes()
        head = msgspec.json.decode(content)
        if not isinstance(head, dict) or head.get("format") != FORMAT:
            raise StateError(
                f"{path} is not a ring snapshot of format {FORMAT}.",
                remedy="Use the version of Ringfence that wrote it, or delete it and run `ringfence rings find` again.",
            )
        snapshot = msgspec.json.decode(content, type=RingSnapshot)
    except OSError as error:
        raise StateError(f"{path} cannot be read: {error.strerror}.", remedy=RECOVER) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StateError(f"{path} is not a ring snapshot: {error}.", remedy=RECOVER) from error
    if _sealed(snapshot) != snapshot or snapshot.at != at:
        raise StateError(f"{path} was changed after it was written (checksum mismatch).", remedy=RECOVER)
    return snapshot


def latest_snapshot(directory: Path, before: datetime | None = None) -> RingSnapshot | None:
    """Return the last snapshot, or the last of those before a moment; None if there is none."""
    known = [moment for moment in moments(directory) if before is None or moment < before]
    return load_snapshot(directory, known[-1]) if known else None


def load_links(directory: Path, snapshot: RingSnapshot) -> bytes:
    """Read a snapshot's file of links; raise `StateError` where it is not the one that was written."""
    path = links_path(directory, snapshot.at)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StateError(f"{path} cannot be read: {error.strerror}.", remedy=RECOVER) from error
    if hashlib.sha256(content).hexdigest() != snapshot.links_sha256:
        raise StateError(f"{path} was changed after it was written (checksum mismatch).", remedy=RECOVER)
    return content


def links_path(directory: Path, at: datetime) -> Path:
    """Return where the links of a snapshot lie."""
    return directory / f"{at.strftime(_NAME)}.links.parquet"


def _path(directory: Path, at: datetime) -> Path:
    return directory / f"{at.strftime(_NAME)}.json"


def _sealed(snapshot: RingSnapshot) -> RingSnapshot:
    blank = msgspec.structs.replace(snapshot, version="", checksum="", made_at=snapshot.at)
    version = f"rings-{_digest(blank)[:12]}"
    unchecked = msgspec.structs.replace(snapshot, version=version, checksum="")
    return msgspec.structs.replace(unchecked, checksum=_digest(unchecked))


def _digest(snapshot: RingSnapshot) -> str:
    return hashlib.sha256(msgspec.json.encode(snapshot, order="sorted")).hexdigest()

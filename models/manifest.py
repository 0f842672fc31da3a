"""The manifest of a model bundle: what is in it, what it was trained on, and the hashes that hold it together.

``model_version`` names what is served (model file, calibration, features and their order): the same training gives the
same version. ``checksum`` covers the whole manifest, so that an edited one is noticed.
"""

import hashlib
import re
from datetime import datetime

import msgspec

from features.errors import BundleError
from models.calibration import Calibration

FORMAT = 1
FILE_NAME = "manifest.json"
MAX_BYTES = 5_000_000
RECOVER = "Restore the bundle from a backup or make a new one with `ringfence train`."

_PLAIN_NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9]+)+")


class DataSummary(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The labelled rows a model was built from: their event times (UTC), number and content hash (sha-256 hex)."""

    start: datetime
    end: datetime
    as_of: datetime
    rows: int
    frauds: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``manifest.json``. ``metrics`` are by window, then by name; ``files`` maps file name to sha-256 hex.

    ``feature_digests`` say how each feature was computed (`features.fingerprint`); older bundles lack them.
    ``ring_model`` is the version, a content hash, of the ring model whose score is the last feature, where it is one.
    """

    format: int
    model_version: str
    family: str
    created_at: datetime
    feature_names: tuple[str, ...]
    calibration: Calibration
    data: DataSummary
    metrics: dict[str, dict[str, float]]
    libraries: dict[str, str]
    files: dict[str, str]
    checksum: str = ""
    feature_digests: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    ring_model: str | msgspec.UnsetType = msgspec.UNSET


def sealed(manifest: Manifest) -> Manifest:
    """Return the manifest with its model version and checksum filled in."""
    versioned = msgspec.structs.replace(manifest, model_version=_version(manifest))
    return msgspec.structs.replace(versioned, checksum=_checksum(versioned))


def encode(manifest: Manifest) -> bytes:
    """Indented JSON, for people as well."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2)


def decode(content: bytes, source: str) -> Manifest:
    """Parse and check a manifest; raise `BundleError` naming ``source`` for anything not written by `encode`."""
    try:
        head = msgspec.json.decode(content)
        found = head.get("format") if isinstance(head, dict) else None
        if found != FORMAT:
            raise BundleError(
                f"{source} has bundle format {found!r}; this version reads format {FORMAT}.",
                remedy="Make a new bundle with `ringfence train`, or install the version that wrote this one.",
            )
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BundleError(f"{source} is not a bundle manifest: {error}.", remedy=RECOVER) from error
    for name in manifest.files:
        if not _PLAIN_NAME.fullmatch(name):
            raise BundleError(f"{source} names the file {name!r}, which is not a plain file name.", remedy=RECOVER)
    if _checksum(manifest) != manifest.checksum or _version(manifest) != manifest.model_version:
        raise BundleError(f"{source} was changed after it was written (checksum mismatch).", remedy=RECOVER)
    return manifest


def _version(manifest: Manifest) -> str:
    served: dict[str, object] = {
        "format": manifest.format,
        "feature_names": manifest.feature_names,
        "calibration": manifest.calibration,
        "files": manifest.files,
    }
    if manifest.feature_digests:
        served["feature_digests"] = manifest.feature_digests
    if manifest.ring_model:
        served["ring_model"] = manifest.ring_model
    digest = hashlib.sha256(msgspec.json.encode(served, order="sorted")).hexdigest()
    return f"{manifest.family}-{digest[:12]}"


def _checksum(manifest: Manifest) -> str:
    blank = msgspec.structs.replace(manifest, checksum="")
    return hashlib.sha256(msgspec.json.encode(blank, order="sorted")).hexdigest()

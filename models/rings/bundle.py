"""A ring model on disk: ``manifest.json``, ``encoder.safetensors`` and ``head.safetensors``. Data, never code.

Each file's bytes are read once, hashed, and only then parsed; PyTorch is not needed to read them. A model is written
beside its place and renamed into it.
"""

import hashlib
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from features.durable import sync
from features.embeddings import NODE_TYPES
from features.errors import BundleError
from models.rings import tensors
from models.rings.evaluation import RingReport
from models.rings.head import Head
from models.rings.inputs import FEATURES, Scaling
from models.rings.sampler import DESCRIBED, FANOUTS, HUB

FORMAT = 1
MANIFEST, ENCODER, HEAD = "manifest.json", "encoder.safetensors", "head.safetensors"
MAX_FILE_BYTES = 64 * 2**20
RECOVER = "Restore the directory from a backup, or train again with `ringfence rings train`."
Arrays = Mapping[str, NDArray[np.float32]]


class RingManifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``manifest.json``.

    ``version`` is a hash of all that is in here. ``node_types``, ``features`` and ``sampling`` are what the weights
    were fitted to; ``trained_until`` (UTC) is when training took place. ``gate`` is what it showed, None where
    nobody asked; ``files`` are sha-256 hashes.
    """

    format: int = FORMAT
    version: str
    created_at: datetime
    trained_until: datetime
    seed: int
    refresh_hours: float
    node_types: tuple[str, ...] = NODE_TYPES
    features: tuple[str, ...] = FEATURES
    sampling: tuple[int, ...] = (*FANOUTS, DESCRIBED, HUB)
    losses: tuple[float, ...] = ()
    gate: RingReport | None = None
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class RingBundle:
    """A checked ring model: the head ready to serve, the encoder as arrays by name."""

    manifest: RingManifest
    head: Head
    encoder: Arrays

    @property
    def version(self) -> str:
        """Short content hash, for example ``rings-3f2a9c1b04de``."""
        return self.manifest.version

    @property
    def passed(self) -> bool:
        """Whether the gate was asked and let the network through."""
        return self.manifest.gate is not None and self.manifest.gate.passed


def save_ring_bundle(
    parent: Path,
    encoder: Arrays,
    head: Head,
    *,
    created_at: datetime,
    trained_until: datetime,
    seed: int,
    refresh_hours: float,
    losses: tuple[float, ...] = (),
    gate: RingReport | None = None,
) -> RingBundle:
    """Write a ring model into a directory in ``parent``, named by its version, and return it as read back."""
    content = {ENCODER: tensors.to_bytes(encoder), HEAD: tensors.to_bytes(_head_arrays(head))}
    files = {name: hashlib.sha256(raw).hexdigest() for name, raw in content.items()}
    manifest = RingManifest(
        version="",
        created_at=created_at,
        trained_until=trained_until,
        seed=seed,
        refresh_hours=refresh_hours,
        losses=losses,
        gate=gate,
        files=files,
    )
    manifest = msgspec.structs.replace(manifest, version=_version(manifest))
    content[MANIFEST] = msgspec.json.format(msgspec.json.encode(manifest))
    directory = parent / manifest.version
    parent.mkdir(parents=True, exist_ok=True)
    staging = parent / f".{manifest.version}.{secrets.token_hex(4)}"
    staging.mkdir()
    try:
        for name, raw in content.items():
            (staging / name).write_bytes(raw)
            sync(staging / name)
        load_ring_bundle(staging)
        shutil.rmtree(directory, ignore_errors=True)
        staging.rename(directory)
        sync(parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return load_ring_bundle(directory)


def load_ring_bundle(directory: Path) -> RingBundle:
    """Read and check a ring model; raises `BundleError` that says which file is wrong and how to recover."""
    source = directory / MANIFEST
    try:
        manifest = msgspec.json.decode(_read(source), type=RingManifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BundleError(f"{source} is not a ring model's manifest: {error}.", remedy=RECOVER) from error
    if manifest.format != FORMAT or set(manifest.files) != {ENCODER, HEAD} or manifest.version != _version(manifest):
        raise BundleError(f"{source} was changed, or written by another version of Ringfence.", remedy=RECOVER)
    expected = RingManifest(
        version="", created_at=manifest.created_at, trained_until=manifest.created_at, seed=0, refresh_hours=0, files={}
    )
    for name in ("node_types", "features", "sampling"):
        if getattr(manifest, name) != getattr(expected, name):
            raise BundleError(
                f"{source}: {name} are {getattr(manifest, name)}; this version of Ringfence has "
                f"{getattr(expected, name)}.",
                remedy="Train again with `ringfence rings train`.",
            )
    arrays = {}
    for name, digest in manifest.files.items():
        raw = _read(directory / name)
        if hashlib.sha256(raw).hexdigest() != digest:
            raise BundleError(f"{directory / name} was changed after it was written.", remedy=RECOVER)
        arrays[name] = tensors.from_bytes(raw, str(directory / name))
    return RingBundle(manifest, _head(arrays[HEAD], str(directory / HEAD)), arrays[ENCODER])


def _head_arrays(head: Head) -> dict[str, NDArray[np.float32]]:
    scaling = {"mean": head.scaling.mean, "deviation": head.scaling.deviation}
    names = [name for name in Head.__dataclass_fields__ if name != "scaling"]
    return {name: getattr(head, name) for name in names} | scaling


def _head(arrays: dict[str, NDArray[np.float32]], source: str) -> Head:
    """Return the head; raises `BundleError` unless the arrays fit each other."""
    types, features = len(NODE_TYPES), len(FEATURES)
    try:
        arrays = dict(arrays)
        scaling = Scaling(arrays.pop("mean"), arrays.pop("deviation"))
        head = Head(**arrays, scaling=scaling)
        width, hidden = head.width, head.hidden.shape[-1]
    except (KeyError, TypeError, IndexError) as error:
        raise BundleError(f"{source} does not hold the arrays of a head: {error}.", remedy=RECOVER) from error
    wanted = {
        "one_hop": (types, width, types, width),
        "unknown": (types, width),
        "hidden": (types * (width + 2) + features, hidden),
        "hidden_bias": (hidden,),
        "out": (hidden,),
        "out_bias": (1,),
    }
    wrong = [name for name, shape in wanted.items() if getattr(head, name).shape != shape]
    if wrong or scaling.mean.shape != (features,) or scaling.deviation.shape != (features,):
        raise BundleError(f"{source} holds arrays that do not fit each other: {wrong}.", remedy=RECOVER)
    return head


def _version(manifest: RingManifest) -> str:
    content = msgspec.json.encode(msgspec.structs.replace(manifest, version=""), order="sorted")
    return f"rings-{hashlib.sha256(content).hexdigest()[:12]}"


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise BundleError(f"{path} is larger than {MAX_FILE_BYTES:,} bytes.", remedy=RECOVER)
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror or error}.", remedy=RECOVER) from error

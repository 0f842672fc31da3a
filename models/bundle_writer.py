"""Writing a model bundle: staged beside its place, checked, then renamed into it."""

import secrets
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import lightgbm
import msgspec
import numpy as np
import sklearn  # type: ignore[import-untyped]  # scikit-learn ships no types
import xgboost

from features.durable import sync
from features.errors import ConfigurationError
from features.fingerprint import digests_of
from models import manifest
from models.bundle import BUNDLE_FILES, PROBES_FILE, Bundle, Probes, load_bundle, sha256_hex
from models.calibrated_model import CalibratedModel
from models.companions import NO_COMPANIONS, Companions
from models.manifest import DataSummary, Manifest
from models.scorer import Matrix


@dataclass(frozen=True, slots=True)
class BundleParts:
    """What training hands over to be bundled; ``probes`` are a few typical rows of shape (n, f).

    With a ``ring_model`` (its version) the last feature is the ring score.
    """

    model: CalibratedModel
    feature_names: tuple[str, ...]
    data: DataSummary
    metrics: dict[str, dict[str, float]]
    probes: Matrix
    companions: Companions = NO_COMPANIONS
    ring_model: str | None = None


def parts_of(bundle: Bundle) -> BundleParts:
    """Return what a bundle was made of, to make another one from it."""
    content = bundle.manifest
    probes = np.array(bundle.probes.features, dtype=np.float32)  # null becomes NaN
    return BundleParts(
        bundle.model,
        content.feature_names,
        content.data,
        content.metrics,
        probes,
        bundle.companions,
        bundle.ring_model,
    )


def save_bundle(directory: Path, parts: BundleParts, *, created_at: datetime) -> Bundle:
    """Write a bundle and return it as loaded back.

    It is written beside ``directory``, checked, then renamed into place: a crash never leaves a half-written bundle
    there. An existing bundle, even a damaged one, is replaced; a directory that holds anything else is refused with
    `ConfigurationError`.
    """
    if directory.exists() and (
        not directory.is_dir() or any(path.name not in BUNDLE_FILES for path in directory.iterdir())
    ):
        raise ConfigurationError(
            f"{directory} exists and is not a model bundle.", remedy="Name a new directory for the bundle."
        )
    directory.parent.mkdir(parents=True, exist_ok=True)
    staging = directory.parent / f".{directory.name}.{secrets.token_hex(4)}"
    staging.mkdir()
    try:
        parts.model.scorer.save(staging)
        parts.companions.save(staging, parts.probes)
        (staging / PROBES_FILE).write_bytes(msgspec.json.encode(_probes(parts)))
        files = {path.name: sha256_hex(path.read_bytes()) for path in sorted(staging.iterdir())}
        (staging / manifest.FILE_NAME).write_bytes(manifest.encode(_manifest(parts, files, created_at)))
        load_bundle(staging, expect_features=parts.feature_names).smoke_test()
        for path in staging.iterdir():
            sync(path)
        _swap(staging, directory)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return load_bundle(directory, expect_features=parts.feature_names)


def _manifest(parts: BundleParts, files: dict[str, str], created_at: datetime) -> Manifest:
    return manifest.sealed(
        Manifest(
            format=manifest.FORMAT,
            model_version="",
            family=parts.model.scorer.family,
            created_at=created_at,
            feature_names=parts.feature_names,
            calibration=parts.model.calibration,
            data=parts.data,
            metrics=parts.metrics,
            libraries={module.__name__: module.__version__ for module in (lightgbm, xgboost, np, sklearn)},
            files=files,
            feature_digests=digests_of(parts.feature_names),
            ring_model=parts.ring_model or msgspec.UNSET,
        )
    )


def _probes(parts: BundleParts) -> Probes:
    rows = [[None if np.isnan(value) else float(value) for value in row] for row in parts.probes]
    return Probes(rows, parts.model.log_odds(parts.probes).tolist())


def _swap(staging: Path, directory: Path) -> None:
    retired = directory.parent / f".{directory.name}.{secrets.token_hex(4)}.old"
    if directory.exists():
        directory.rename(retired)
    staging.rename(directory)
    sync(directory.parent)
    shutil.rmtree(retired, ignore_errors=True)

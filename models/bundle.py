"""The model bundle: a directory that holds everything one model version needs, and nothing that can run code.

Files: ``manifest.json``, the model in its library's safe format (for a blend, both models and ``blend.json``),
``probes.json``, a few rows with the log-odds they had when the bundle was written (the smoke test), and the files of
its companions where it has any. Each file's bytes are read once, hashed, and only then parsed.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from features.errors import BundleError
from features.fingerprint import changed_features
from models import blend_scorer, lightgbm_scorer, manifest, xgboost_scorer
from models.anomaly import Anomaly
from models.blend_scorer import BlendScorer
from models.calibrated_model import CalibratedModel, Explanation
from models.companions import COMPANION_FILES, NO_COMPANIONS, Companions, are_companion_files, read_companions
from models.fallback import Fallback
from models.lightgbm_scorer import LightGBMScorer
from models.manifest import RECOVER, Manifest
from models.rings.column import RING_SCORE, with_ring_score
from models.rings.scorer import ServedNetwork
from models.scorer import Matrix, Vector
from models.xgboost_scorer import XGBoostScorer

PROBES_FILE = "probes.json"
SMOKE_TOLERANCE = 1e-6  # log-odds, absolute and relative; libraries may round differently between versions
MAX_FILE_BYTES = 512 * 2**20

MODEL_FILES: dict[str, tuple[str, ...]] = {
    "lightgbm": (lightgbm_scorer.FILE_NAME,),
    "xgboost": (xgboost_scorer.FILE_NAME,),
    "blend": blend_scorer.FILE_NAMES,
}
BUNDLE_FILES = COMPANION_FILES.union({manifest.FILE_NAME, PROBES_FILE}, *MODEL_FILES.values())


class Probes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows to score before serving (missing values are null) and the calibrated log-odds expected of them."""

    features: list[list[float | None]]
    log_odds: list[float]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A checked model, ready to serve. Matrices have shape (n, f), float32, columns in ``feature_names`` order.

    ``network`` gives the ring score to a bundle that takes it; None in others, and where nobody serves the bundle.
    Matrices without the ring score, as a replay gives them, are taken too: it counts as missing.
    """

    model: CalibratedModel
    manifest: Manifest
    probes: Probes
    companions: Companions = NO_COMPANIONS
    network: ServedNetwork | None = None

    @property
    def anomaly(self) -> Anomaly | None:
        """Tells how unlike the traffic of training a payment is; None in a bundle without."""
        return self.companions.anomaly

    @property
    def fallback(self) -> Fallback | None:
        """Scores while the feature store is out of reach; None in a bundle without."""
        return self.companions.fallback

    @property
    def version(self) -> str:
        """Short content hash of what is served, for example ``lightgbm-3f2a9c1b04de``."""
        return self.manifest.model_version

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names and order of the columns."""
        return self.manifest.feature_names

    @property
    def ring_model(self) -> str | None:
        """Version of the ring model whose score the bundle takes; None in a bundle without."""
        return self.manifest.ring_model or None

    def log_odds(self, features: Matrix) -> Vector:
        """Calibrated log-odds of fraud, shape (n,), float64."""
        return self.model.log_odds(self.whole(features))

    def score(self, features: Matrix) -> Vector:
        """Calibrated probability of fraud, shape (n,), float64."""
        return self.model.score(self.whole(features))

    def explain(self, features: Matrix) -> Explanation:
        """TreeSHAP attributions that add up to the served log-odds."""
        return self.model.explain(self.whole(features))

    def smoke_test(self) -> None:
        """Score the probes; raise `BundleError` unless they come out as when the bundle was written."""
        rows = np.array(self.probes.features, dtype=np.float32)  # null becomes NaN
        got, expected = self.log_odds(rows), np.array(self.probes.log_odds)
        close = np.isclose(got, expected, rtol=SMOKE_TOLERANCE, atol=SMOKE_TOLERANCE)
        if not close.all():
            raise BundleError(
                f"Bundle {self.version} failed its smoke test: {np.count_nonzero(~close)} of {len(expected)} probes "
                f"scored differently, by up to {np.abs(got - expected).max():.3g} log-odds.",
                remedy=f"It was written with {self.manifest.libraries}; install those, or train again.",
            )
        missed = self.companions.misses(rows, SMOKE_TOLERANCE)
        if missed:
            raise BundleError(
                f"Bundle {self.version} failed its smoke test: its {' and '.join(missed)} scored probes differently.",
                remedy=f"It was written with {self.manifest.libraries}; install those, or train again.",
            )

    def whole(self, features: Matrix) -> Matrix:
        """Return features (n, f), a missing ring score added where the bundle takes one and none is there."""
        if self.ring_model is None or features.shape[-1] != len(self.feature_names) - 1:
            return features
        return with_column(features, None)


def with_column(features: Matrix, column: Matrix | Vector | None) -> Matrix:
    """Return features (n, f) with one more ``column`` (n,), missing where there is none, as (n, f + 1) float32."""
    given = np.full(len(features), np.nan) if column is None else column
    return np.column_stack((features, given)).astype(np.float32, copy=False)


def load_bundle(directory: Path, *, expect_features: Sequence[str] | None) -> Bundle:
    """Read and check a bundle.

    ``expect_features`` are the names, in order, of the catalogue's columns that it will be given; None skips that check
    (to look at a bundle, not to serve it). Raises `BundleError` that says which file is wrong and how to recover.
    """
    content = manifest.decode(_read(directory, manifest.FILE_NAME, manifest.MAX_BYTES), _at(directory))
    if expect_features is not None:
        expected = tuple(name for name in expect_features if name != RING_SCORE)
        _check_features(content.feature_names, with_ring_score(expected) if content.ring_model else expected, directory)
        _check_computation(content.feature_digests or {}, directory)
    if content.family not in MODEL_FILES:
        raise BundleError(f"{_at(directory)} names the unknown model family {content.family!r}.", remedy=RECOVER)
    own = {*MODEL_FILES[content.family], PROBES_FILE}
    if not own <= content.files.keys() or not are_companion_files(content.files.keys() - own):
        raise BundleError(
            f"{_at(directory)} lists {sorted(content.files)}; expected {', '.join(sorted(own))} and companions.",
            remedy=RECOVER,
        )
    raw = {name: _verified(directory, name, sha256) for name, sha256 in content.files.items()}
    scorer = _scorer(content.family, raw, directory)
    try:
        probes = msgspec.json.decode(raw[PROBES_FILE], type=Probes)
    except msgspec.DecodeError as error:
        raise BundleError(f"{directory / PROBES_FILE} cannot be read: {error}.", remedy=RECOVER) from error
    if scorer.width != len(content.feature_names):
        raise BundleError(
            f"The model in {directory} expects {scorer.width} features; "
            f"the manifest names {len(content.feature_names)}.",
            remedy=RECOVER,
        )
    companions = read_companions(raw, content.feature_names, str(directory))
    return Bundle(CalibratedModel(scorer, content.calibration), content, probes, companions)


def _scorer(family: str, raw: Mapping[str, bytes], directory: Path) -> LightGBMScorer | XGBoostScorer | BlendScorer:
    if family == "blend":
        return blend_scorer.from_files(raw, directory)
    (name,) = MODEL_FILES[family]
    reader = lightgbm_scorer.from_bytes if family == "lightgbm" else xgboost_scorer.from_bytes
    return reader(raw[name], str(directory / name))


def _check_features(has: tuple[str, ...], expected: tuple[str, ...], directory: Path) -> None:
    if has == expected:
        return
    missing, extra = sorted(set(has) - set(expected)), sorted(set(expected) - set(has))
    detail = f"needs {missing[:5]} and does not know {extra[:5]}" if missing or extra else "has them in another order"
    raise BundleError(
        f"The bundle {directory} was trained on other features: it {detail}.",
        remedy="Train again with this version's features, or serve it with the version that made it.",
    )


def _check_computation(digests: dict[str, str], directory: Path) -> None:
    changed = changed_features(digests)
    if changed:
        raise BundleError(
            f"The bundle {directory} was trained on features that are computed in another way now: "
            f"{', '.join(changed[:5])}{f' and {len(changed) - 5} more' if len(changed) > 5 else ''}.",
            remedy="Train again with this version's features, or serve it with the version that made it.",
        )


def _verified(directory: Path, name: str, sha256: str) -> bytes:
    content = _read(directory, name, MAX_FILE_BYTES)
    if sha256_hex(content) != sha256:
        raise BundleError(
            f"{directory / name} does not match its hash in the manifest: it is damaged or was replaced.",
            remedy=RECOVER,
        )
    return content


def _read(directory: Path, name: str, limit: int) -> bytes:
    path = directory / name
    try:
        # A link could point anywhere, and a bundle is copied as plain files.
        if path.is_symlink() or not path.is_file():
            raise BundleError(f"{path} is missing from the model bundle.", remedy=RECOVER)
        if path.stat().st_size > limit:
            raise BundleError(f"{path} is larger than {limit} bytes.", remedy=RECOVER)
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}.", remedy=RECOVER) from error


def sha256_hex(content: bytes) -> str:
    """Hash of a file's content as the manifest states it."""
    return hashlib.sha256(content).hexdigest()


def _at(directory: Path) -> str:
    return str(directory / manifest.FILE_NAME)

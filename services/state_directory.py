"""The state directory: everything that one installation keeps on disk.

state.json      format of the directory; says that it is ours
token           bearer token of the services, mode 600, unless one is set
bundles/        model bundles by version
policies/       the policy of each version, <version>.json: thresholds and the costs behind them, to be edited by hand
registry.json   which version is champion, which challenger, and every change of that
cards/          a model card for each bundle, HTML
rings/          snapshots of fraud rings by moment: <moment>.json, and all links of the past beside it
mlflow.db       training runs and registered versions, unless a tracking URI is set
mlflow-files/   files of the training runs, likewise
ring-models/    networks by version, and served.json, which says which one the gate let through
embeddings/     Feast registry of embeddings and, on SQLite, the embeddings themselves
feature-store/  Feast registry and, on SQLite, the online store
backfill/       features of a back-filled history, unless --out names another place
ledger.db       decisions and labels, unless a database URL is set
logs/           one file a process
"""

import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from features.errors import StateError

FORMAT = 1
_MARK = "ringfence"
_DRAFT = ".state-"  # a header being written, or left behind by a crash


class _Header(msgspec.Struct, frozen=True):
    owner: str
    format: int


@dataclass(frozen=True, slots=True)
class StateDirectory:
    """Paths in a directory that `open_state` has checked."""

    path: Path

    @property
    def token(self) -> Path:
        """File that holds the bearer token."""
        return self.path / "token"

    @property
    def bundles(self) -> Path:
        """Directory of model bundles."""
        return self.path / "bundles"

    @property
    def policies(self) -> Path:
        """Directory of policies, one a version."""
        return self.path / "policies"

    @property
    def registry(self) -> Path:
        """File that says which version is served, and how it came to be."""
        return self.path / "registry.json"

    @property
    def cards(self) -> Path:
        """Directory of model cards."""
        return self.path / "cards"

    @property
    def rings(self) -> Path:
        """Directory of ring snapshots."""
        return self.path / "rings"

    @property
    def runs(self) -> Path:
        """File of the SQLite database of training runs."""
        return self.path / "mlflow.db"

    @property
    def run_files(self) -> Path:
        """Directory of the files of training runs."""
        return self.path / "mlflow-files"

    @property
    def ring_models(self) -> Path:
        """Directory of ring models by version."""
        return self.path / "ring-models"

    @property
    def embeddings(self) -> Path:
        """Directory of the Feast repository of embeddings."""
        return self.path / "embeddings"

    @property
    def feature_store(self) -> Path:
        """Directory of the Feast repository."""
        return self.path / "feature-store"

    @property
    def backfill(self) -> Path:
        """Directory of a back-filled history, unless another one is named."""
        return self.path / "backfill"

    @property
    def ledger(self) -> Path:
        """File of the SQLite ledger."""
        return self.path / "ledger.db"

    @property
    def logs(self) -> Path:
        """Directory of log files."""
        return self.path / "logs"

    @property
    def bootstrap(self) -> Path:
        """File that holds the address of the broker that the demo has running."""
        return self.path / "bootstrap"


def open_state(path: Path, *, create: bool = True) -> StateDirectory:
    """Open a state directory, or make one out of an empty or absent directory unless ``create`` is False.

    A new directory has mode 700. Raises `StateError` for a directory that holds something else, that cannot be used,
    or whose header is damaged or newer than this version.
    """
    path = path.absolute()
    header = path / "state.json"
    try:
        if not header.exists():
            _initialise(path, header, create)
        found = msgspec.json.decode(header.read_bytes(), type=_Header)
    except msgspec.DecodeError as error:
        raise StateError(
            f"{header} is damaged: {error}.",
            remedy="Restore the directory from a backup, or start over with another --state directory.",
        ) from None
    except OSError as error:
        raise StateError(
            f"The state directory {path} cannot be used: {error.strerror}.",
            remedy="Make it readable and writable for this user, or name another one with --state.",
        ) from error
    if found.owner != _MARK or found.format < 1:
        raise StateError(
            f"{header} was not written by Ringfence.", remedy="Name an empty or new directory with --state."
        )
    if found.format > FORMAT:
        raise StateError(
            f"{path} has format {found.format}; this version of Ringfence reads formats up to {FORMAT}.",
            remedy="Use the newer version that wrote it, or name another directory with --state.",
        )
    return StateDirectory(path)


def _initialise(path: Path, header: Path, create: bool) -> None:
    if not create:
        raise StateError(
            f"There is no state in {path}.",
            remedy="Name another directory with --state, or run `ringfence demo`, `train` or `rings find` first.",
        )
    if path.exists() and (not path.is_dir() or _foreign(path)):
        if header.exists():  # another process has just made it
            return
        raise StateError(
            f"{path} exists and is not a Ringfence state directory: it has no state.json.",
            remedy="Name an empty or new directory with --state.",
        )
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(PermissionError):  # an empty directory that the operator made for us, on a mounted volume say
        path.chmod(0o700)
    # The header comes first and whole: without it nobody would believe the rest to be ours.
    draft = path / f"{_DRAFT}{secrets.token_hex(8)}"
    draft.write_bytes(msgspec.json.encode(_Header(_MARK, FORMAT)))
    draft.replace(header)
    (path / "logs").mkdir(exist_ok=True)


def _foreign(path: Path) -> bool:
    return any(not entry.name.startswith(_DRAFT) for entry in path.iterdir())

"""The features of a history as a bundle takes them: the catalogue's and, where it takes one, the ring score."""

import pandas as pd

from features.progress import Step
from features.replay import replay
from models.bundle import Bundle, with_column
from models.scorer import Matrix
from services.champion import ring_bundle_of
from services.extras import need_gnn
from services.state_directory import StateDirectory


class BundleFeatures:
    """Computes the features of a canonical table for any bundle; those of the catalogue only once.

    A ring score comes from the past alone, as of the last refresh of the embeddings before each payment: the one that
    a worker would have taken. The extra `gnn` is needed for it.
    """

    def __init__(
        self, state: StateDirectory, table: pd.DataFrame, step: Step, *, catalogue: Matrix | None = None
    ) -> None:
        self._state = state
        self._table = table
        self._step = step
        if catalogue is None:
            catalogue = replay(table, progress=step("computing features")).features
        self._catalogue = catalogue

    def of(self, bundle: Bundle) -> Matrix:
        """Return features (n, f) float32, columns as in ``bundle.feature_names``.

        Raises `ConfigurationError` for a bundle with a ring score where the extra is not installed, `BundleError`
        where its network is damaged.
        """
        if bundle.ring_model is None:
            return self._catalogue
        need_gnn()
        # Imports PyTorch, which takes seconds and is no part of the plain installation.
        from models.rings.history import ring_scores  # noqa: PLC0415

        found = ring_bundle_of(self._state, bundle)
        progress = self._step("computing ring scores")
        return with_column(self._catalogue, ring_scores(found, self._table, self._catalogue, progress=progress))

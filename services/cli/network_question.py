"""What `ringfence train --rings` asks: whether trees may use the ring network's score, and what came of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from features.progress import Step
from models.rings.column import RingColumn
from models.scorer import Matrix
from services.cli.evaluate import read_campaigns
from services.extras import need_gnn
from services.state_directory import StateDirectory

if TYPE_CHECKING:
    from models.rings.evaluation import RingReport


class NetworkQuestion:
    """One question to the gate of the ring network; what is needed to ask it is checked at once."""

    def __init__(
        self, state: StateDirectory, campaigns: Path | None, as_of: pd.Timestamp | None, seed: int, device: str
    ) -> None:
        need_gnn()
        from models.rings.training import choose_device  # noqa: PLC0415 the extra `gnn` only

        self._state = state
        self._campaigns = read_campaigns(campaigns) if campaigns else None
        self._as_of = as_of
        self._seed = seed
        self._device = choose_device(device)
        self._report: RingReport | None = None
        self._model: str | None = None

    def ask(self, history: pd.DataFrame, features: Matrix, step: Step) -> RingColumn | None:
        """Return the ring scores for trees, None where the gate does not let them in."""
        from models.rings.training import EPOCHS  # noqa: PLC0415 the extra `gnn` only
        from services.rings.network import evaluate_rings  # noqa: PLC0415

        found = evaluate_rings(
            self._state,
            history,
            features=features,
            as_of=self._as_of,
            campaigns=self._campaigns,
            epochs=EPOCHS,
            seed=self._seed,
            device=self._device,
            step=step,
        )
        self._report, self._model = found.report, found.bundle.version if found.bundle else None
        return found.column

    def told(self) -> dict[str, Any]:
        """Return the ring model whose score the trees use, None where they use none, and what the gate found."""
        checks = self._report.checks if self._report else ()
        return {"model": self._model, "gate": [check.sentence for check in checks]}

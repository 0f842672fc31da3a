"""What `ringfence train` leaves behind beside the model: its card, and the record of the run in MLflow."""

import shlex
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from features.errors import RingfenceError
from models.search_report import Bounds
from services.cli.mirror import mirror_aliases, open_configured
from services.cli.output import progress, say, steps
from services.extras import INSTALL_TRAIN, has_train
from services.settings import Settings
from services.state_directory import StateDirectory
from services.training import Trained


def command_line(
    data: Path,
    mapping: str,
    seed: int,
    split: datetime | None,
    bounds: Bounds,
    *,
    rings: bool = False,
    campaigns: Path | None = None,
) -> str:
    """Return the command that trains the same model again."""
    words = ["ringfence", "train", "--data", str(data), "--mapping", mapping, "--seed", str(seed)]
    words += ["--split", f"{split:%Y-%m-%dT%H:%M:%S}"] if split else []
    words += ["--trials", str(bounds.trials)]
    words += ["--search-minutes", str(bounds.minutes)] if bounds.minutes else []
    words += ["--rings"] if rings else []
    words += ["--campaigns", str(campaigns)] if campaigns else []
    return shlex.join(words)


def document(
    state: StateDirectory, trained: Trained, table: pd.DataFrame, seed: int, command: str, settings: Settings | None
) -> dict[str, Any]:
    """Write the card of a model that is installed already, and record the run unless ``settings`` is None.

    Returns where the card is and the id of the run; None for what is not there. What fails here is told and does not
    undo the training.
    """
    done: dict[str, Any] = {"card": None, "run": None}
    if not has_train():
        say(f"No search, no card, no tracking: the extra `train` is not installed. {INSTALL_TRAIN}")
        return done
    from services.reporting import report_training  # noqa: PLC0415 the extra `train` only

    try:
        with steps() as bars:
            measure = bars.step("measuring for the card")
            path, record = report_training(state, trained, table, seed=seed, command=command, progress=measure)
        done["card"] = str(path)
        if settings is not None:
            with progress("recording the run"):
                tracking = open_configured(state, settings)
                done["run"] = tracking.record(record).run_id
            mirror_aliases(state, settings, tracking)
    except RingfenceError as error:
        say(f"The model is installed, but {'not tracked' if done['card'] else 'has no card'}: {error}")
    return done

"""What a model card says, as data; `services.model_card.page` makes a page of it."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from models.assessment import Assessment
from models.bundle import Bundle
from models.manifest import DataSummary
from models.policy import Policy
from services.model_card.limits import limits_of

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Delay:
    """Days until half, and until 95 %, of one class's labels were known."""

    of: str
    median: float
    late: float


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One bundle under one policy, its data, its making, its performance on one window and its limits.

    ``training`` holds names and values of how it was made, ``command`` what makes it again.
    """

    version: str
    family: str
    created_at: datetime
    features: int
    policy: Policy
    data: DataSummary
    delays: tuple[Delay, ...]
    training: dict[str, str]
    libraries: dict[str, str]
    assessment: Assessment
    limits: tuple[str, ...]
    command: str


def make_card(
    bundle: Bundle, policy: Policy, table: pd.DataFrame, assessment: Assessment, training: dict[str, str], command: str
) -> ModelCard:
    """Make a card of an assessed bundle; ``table`` is the canonical table that the assessed window belongs to."""
    return ModelCard(
        version=bundle.version,
        family=bundle.manifest.family,
        created_at=bundle.manifest.created_at,
        features=len(bundle.feature_names),
        policy=policy,
        data=bundle.manifest.data,
        delays=_delays(table),
        training=training,
        libraries=bundle.manifest.libraries,
        assessment=assessment,
        limits=tuple(limits_of(assessment, bundle.manifest.data)),
        command=command,
    )


def _delays(table: pd.DataFrame) -> tuple[Delay, ...]:
    labelled = table[table["is_fraud"].notna() & table["label_time"].notna()]
    days = (labelled["label_time"] - labelled["event_time"]).dt.total_seconds().to_numpy() / DAY_S
    fraud = labelled["is_fraud"].to_numpy(dtype=bool)
    return tuple(
        Delay(of, *(float(value) for value in np.quantile(days[rows], [0.5, 0.95])))
        for of, rows in (("frauds", fraud), ("genuine payments", ~fraud))
        if rows.any()
    )

"""Recall by kind of fraud, for data that come with the truth about their fraud campaigns."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.errors import DataError
from models.evaluate import FALSE_POSITIVE_RATES
from models.outcomes import Outcomes

COLUMNS = ("transaction_id", "campaign")


@dataclass(frozen=True, slots=True)
class CampaignRecall:
    """One kind of campaign: its transactions among the evaluated ones, and the share of them that was caught.

    ``caught`` is the share reviewed or declined under the policy; ``recall_at_fpr`` by name of the false-positive rate
    the share that scores above the threshold which flags that many of the payments labelled as genuine.
    """

    campaign: str
    transactions: int
    caught: float
    recall_at_fpr: dict[str, float]


def recall_by_campaign(found: Outcomes, ids: pd.Series, campaigns: pd.DataFrame) -> list[CampaignRecall]:
    """Return the recall of each kind among outcomes, the most frequent first.

    ``ids`` (n,) are the outcomes' transaction ids; ``campaigns`` has a row with transaction_id and campaign (the kind)
    for each transaction of a campaign. These count whatever their label: a fraud that nobody reported was still to be
    caught. Raises `DataError` for missing columns or when none of the transactions was evaluated.
    """
    missing = [name for name in COLUMNS if name not in campaigns.columns]
    if missing:
        raise DataError(
            f"The campaigns have no column {', '.join(missing)}.",
            remedy="Give a file with transaction_id and campaign, such as the simulator's .truth file.",
        )
    kind_of = campaigns.drop_duplicates("transaction_id").set_index("transaction_id")["campaign"]
    kinds = ids.astype(object).map(kind_of).to_numpy(dtype=object)
    present = pd.Series(kinds).value_counts()
    if present.empty:
        raise DataError(
            f"None of the {len(campaigns):,} transactions of campaigns is among the {len(ids):,} evaluated.",
            remedy="Give the campaigns of this very file.",
        )
    genuine = np.sort(found.score[~found.truth])[::-1]
    # The score that the largest allowed number of genuine payments exceed is itself not flagged.
    thresholds = {name: genuine[int(rate * len(genuine))] for name, rate in FALSE_POSITIVE_RATES.items()}
    return [
        CampaignRecall(
            campaign=str(kind),
            transactions=int(count),
            caught=float(found.flagged[kinds == kind].mean()),
            recall_at_fpr={
                name: float((found.score[kinds == kind] > threshold).mean()) for name, threshold in thresholds.items()
            },
        )
        for kind, count in present.items()
    ]

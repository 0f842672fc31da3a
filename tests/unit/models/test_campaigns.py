import numpy as np
import pandas as pd
import pytest

from features.errors import DataError
from models.campaigns import recall_by_campaign
from models.outcomes import Outcomes


def made(score, truth):
    count = len(score)
    return Outcomes(
        rows=np.arange(count),
        truth=np.array(truth, bool),
        score=np.array(score, float),
        amount=np.ones(count),
        card=np.arange(count),
        day=np.zeros(count, np.int64),
        verdict=np.where(np.array(score) >= 0.6, "review", "approve"),
    )


def test_by_hand():
    # 1,000 genuine payments, scores 0 to .999: at 0.1 % one may be flagged, so the threshold is .998.
    genuine = np.arange(1000) / 1000
    found = made([*genuine, 0.9985, 0.7, 0.2, 0.996], [False] * 1000 + [True, True, True, False])
    ids = pd.Series([f"g{i}" for i in range(1000)] + ["f1", "f2", "f3", "unreported"])
    campaigns = pd.DataFrame(
        {
            "transaction_id": ["f1", "f2", "f3", "unreported", "elsewhere"],
            "campaign": ["ring", "ring", "drip", "drip", "drip"],
        }
    )
    by_kind = {one.campaign: one for one in recall_by_campaign(found, ids, campaigns)}
    assert by_kind["ring"].transactions == 2
    assert by_kind["ring"].caught == 1.0
    assert by_kind["ring"].recall_at_fpr["0.1pct"] == 0.5
    assert (by_kind["drip"].transactions, by_kind["drip"].caught) == (2, 0.5)  # the unreported one counts
    assert by_kind["drip"].recall_at_fpr["0.5pct"] == 0.5


def test_unusable_campaigns_are_refused():
    found, ids = made([0.1, 0.9], [0, 1]), pd.Series(["a", "b"])
    with pytest.raises(DataError, match="no column campaign"):
        recall_by_campaign(found, ids, pd.DataFrame({"transaction_id": ["a"]}))
    with pytest.raises(DataError, match="None of the 1 transactions"):
        recall_by_campaign(found, ids, pd.DataFrame({"transaction_id": ["z"], "campaign": ["ring"]}))

"""A model card with a bit of everything, and without any training."""

from datetime import UTC, date, datetime

import numpy as np

from models.assessment import Assessment
from models.campaigns import CampaignRecall
from models.curves import Curve
from models.evaluate import Figures
from models.importance import Importance
from models.manifest import DataSummary
from models.policy import Costs, Policy
from models.reliability import Bin, Line
from models.segment_figures import Segment
from models.stability import Week
from services.model_card.card import Delay, ModelCard
from services.model_card.limits import limits_of

START, END = datetime(2030, 3, 1, tzinfo=UTC), datetime(2030, 3, 15, tzinfo=UTC)
DATA = DataSummary(
    start=datetime(2030, 1, 1, tzinfo=UTC), end=START, as_of=END, rows=90_000, frauds=450, sha256="ab" * 32
)
VALUES = {
    "n": 20_000,
    "n_fraud": 90,
    "fraud_rate": 0.0045,
    "auc": 0.97,
    "average_precision": 0.61,
    "card_precision_at_100": 0.05,
    "recall_at_fpr_0.1pct": 0.5,
    "recall_at_fpr_0.5pct": 0.7,
    "recall_at_fpr_1pct": 0.8,
    "ece": 0.001,
    "brier": 0.003,
    "value_detection_rate": 0.75,
    "review_rate": 0.01,
    "decline_rate": 0.002,
    "money_saved": 12_345.6,
    "money_saved_per_1000": 617.28,
}


def assessment(**changes):
    values = {
        "start": START,
        "end": END,
        "unseen": True,
        "unlabelled": 0,
        "currency": "EUR",
        "figures": Figures(VALUES, {name: (value * 0.9, value * 1.1) for name, value in list(VALUES.items())[3:]}),
        "precision_recall": Curve(np.array([0.0, 0.5, 1.0]), np.array([1.0, 0.7, 0.01])),
        "low_roc": Curve(np.array([0.0, 0.01, 0.02]), np.array([0.3, 0.8, 0.85])),
        "bins": [Bin(1000, 0, 1e-4, 0.0, 0.0, 0.004), Bin(1000, 90, 0.08, 0.09, 0.07, 0.11)],
        "line": Line(1.02, 0.1),
        "segments": [
            Segment("channel", "pos", 15_000, 40, 0.5, 0.8, 0.01, 1.1),
            Segment("channel", "moto", 100, 2),
            Segment("merchant category", "5411", 20_000, 90, 0.6, 0.8, 0.01, 1.0),
        ],
        "weeks": [
            Week(date(2030, 3, 1), 10_000, 50, 0.6, 0.8, 0.02),
            Week(date(2030, 3, 8), 9_000, 4, None, None, 0.31),
        ],
        "reference": "the last week of the training data",
        "importances": [
            Importance("amount", "Amount in major units of its currency.", 0.4, 0.1, "higher raises the score")
        ],
        "explained": 500,
        "idle": ["device_count_1h"],
        "campaigns": [CampaignRecall("mule_ring", 30, 0.2, {"0.1pct": 0.1, "0.5pct": 0.1, "1pct": 0.2})],
    }
    return Assessment(**(values | changes))


def card(found=None, **changes):
    found = found or assessment()
    values = {
        "version": "lightgbm-0123456789ab",
        "family": "lightgbm",
        "created_at": END,
        "features": 189,
        "policy": Policy(review=0.03, decline=0.4, costs=Costs()),
        "data": DATA,
        "delays": (Delay("frauds", 3.2, 16.0), Delay("genuine payments", 7.0, 7.0)),
        "training": {"family": "lightgbm", "seed": "0"},
        "libraries": {"lightgbm": "4.7.0"},
        "assessment": found,
        "limits": tuple(limits_of(found, DATA)),
        "command": "ringfence train --data payments.csv --seed 0",
    }
    return ModelCard(**(values | changes))

"""Holds the stream against the same model evaluated offline on the same rows."""

import numpy as np

from features.replay import replay
from models.metrics import average_precision
from services.champion import champion
from services.cli.output import progress
from services.composition import Root
from services.demo.source import Source
from services.demo.tally import Tally


def compare(source: Source, root: Root, tally: Tally) -> dict[str, object]:
    """Score the streamed rows from a replay of the whole table; return the offline figures beside the stream's."""
    if not tally.scores:
        return {}
    last = source.table["transaction_id"].isin(tally.scores).to_numpy().nonzero()[0][-1]
    table = source.table.iloc[: last + 1]
    with progress("checking against an offline evaluation") as tell:
        features = replay(table, progress=tell).features
    rows = table["transaction_id"].isin(tally.scores).to_numpy()
    offline = champion(root.state).score(features[rows])
    streamed = np.array([tally.scores[key] for key in table.loc[rows, "transaction_id"]])
    fraud = (table.loc[rows, "is_fraud"] == 1).to_numpy(dtype=bool)
    return {
        "average_precision_offline": round(average_precision(fraud, offline), 4) if fraud.any() else None,
        "scores_differing": int((streamed != offline).sum()),
    }

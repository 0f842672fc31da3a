"""The first start of an installation: model, feature states and the labels to come, out of one history."""

from collections.abc import Callable

import pandas as pd

from features.progress import Progress
from features.replay import Replay
from features.store import HISTORY_OF
from services.announce import announce
from services.composition import Root
from services.training import Trained, train_and_install


def start_from(
    root: Root,
    history: pd.DataFrame,
    *,
    as_of: pd.Timestamp | None = None,
    fold: Progress,
    fit: Callable[[str, float], None],
    load: Progress,
) -> Trained:
    """Train on a history and leave the online store and the ledger as if it had been live.

    The model is installed last: where there is a champion, all else is there too. Stopped before that, the same history
    can be given again.
    """

    def fill(folded: Replay) -> None:
        last = history["event_time"].iloc[-1]
        store = root.feature_store()
        store.bulk_load(folded.states, last.to_pydatetime(), progress=load)
        ledger = root.ledger()
        announce(ledger, history, last)
        store.claim(HISTORY_OF + ledger.identity())
        ledger.close()
        store.close()

    return train_and_install(
        root.state, history, as_of=as_of, fold_progress=fold, train_progress=fit, before_install=fill
    )

"""Writes folded states that other workers may be changing at the same time.

Cards belong to one partition and so to one worker; merchants, devices, ips and customers are shared. A state that
another worker replaced since it was read is folded again on top of what that worker wrote. Each state remembers which
events it has applied, source by source, so none is applied twice however often this goes round.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from features.batch import entity_keys
from features.engine import FeatureEngine
from features.errors import StoreUnavailable
from features.events import Event, TransactionEvent
from features.store import ENTITIES, Found, States

ROUNDS = 100  # in each at least one worker gets through


Replace = Callable[[States, States, datetime], Found]  # `features.store.FeatureStore.replace`


def replace_states(
    engine: FeatureEngine, replace: Replace, states: States, read: States, events: Sequence[Event]
) -> int:
    """Replace ``states``, which ``events`` made of those ``read``; return how many had to be folded anew."""
    newest = max(e.transaction.event_time if isinstance(e, TransactionEvent) else e.event_time for e in events)
    anew = 0
    changed = replace(states, read, newest)
    for _ in range(ROUNDS):
        if not changed:
            return anew
        anew += sum(map(len, changed.values()))
        fold = engine.fold([event for event in events if _touches(event, changed)], changed)
        again = {entity: {key: fold.states[entity][key] for key in found} for entity, found in changed.items()}
        changed = replace(again, changed, newest)
    raise StoreUnavailable(f"{sum(map(len, changed.values()))} feature states were changed by others {ROUNDS} times.")


def _touches(event: Event, states: States) -> bool:
    return any(key in states.get(entity, {}) for entity, key in zip(ENTITIES, entity_keys(event), strict=True))

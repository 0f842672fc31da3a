"""Registers a back-filled history with a Feast instance, so that `get_historical_features` reads it.

Importing this module imports Feast, which takes seconds; `features.stores.feast_store` does so when it is needed.
"""

from pathlib import Path

from features.feast_repo.offline_definitions import transaction_features
from features.stores.feast_instance import Instance, one_process_at_a_time, usable, write_if_changed

DEFINITIONS = "offline_definitions.py"
_FILE = """\
from features.feast_repo.offline_definitions import transaction_features  # so that `feast apply` here keeps the view

transaction, view = transaction_features({parts!r})
"""


def register(instance: Instance, parts: Path) -> None:
    """Apply the view over the directory ``parts`` in place of an earlier one.

    Raises `StoreUnavailable` for an instance that cannot be written.
    """
    where = str(parts.absolute())
    with usable(instance.directory), one_process_at_a_time(instance.directory):
        write_if_changed(instance.directory / DEFINITIONS, _FILE.format(parts=where))
        instance.store.apply([*transaction_features(where)])

"""Imported by the server that worker processes are forked from: all that takes long and is the same for each."""

from pathlib import Path
from tempfile import TemporaryDirectory

import tests.integration.faults.worker_main  # noqa: F401
from features.engine import FeatureEngine
from features.stores.feast_store import open_feast

FeatureEngine().warm_up()
with TemporaryDirectory() as directory:  # Feast imports most of itself when it is first used
    open_feast(Path(directory), redis_url="redis://127.0.0.1:1").close()

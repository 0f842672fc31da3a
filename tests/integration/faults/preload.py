"""Imported by the server that worker processes are forked from: all that takes long and is the same for each."""

import prometheus_client  # noqa: F401 (before Feast, see features.stores.feast_store)

import tests.integration.faults.worker_main  # noqa: F401
from features.engine import FeatureEngine

FeatureEngine().warm_up()

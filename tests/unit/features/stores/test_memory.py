import pytest

from features.stores.memory import MemoryStore
from tests.unit.features.stores.conformance import StoreConformance


class TestMemoryStore(StoreConformance):
    @pytest.fixture
    def store(self):
        return MemoryStore()

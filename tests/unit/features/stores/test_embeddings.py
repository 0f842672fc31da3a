import pytest

from features.errors import StoreUnavailable
from features.stores.embeddings import open_embeddings
from features.stores.memory_embeddings import MemoryEmbeddings
from tests.unit.features.stores.embeddings_conformance import NOON, EmbeddingConformance, vector


class TestMemory(EmbeddingConformance):
    @pytest.fixture
    def store(self):
        return MemoryEmbeddings()


class TestFeastOnSqlite(EmbeddingConformance):
    @pytest.fixture
    def store(self, tmp_path):
        store = open_embeddings(tmp_path / "embeddings")
        yield store
        store.close()

    def test_another_process_finds_what_was_written(self, tmp_path):
        first = open_embeddings(tmp_path)
        first.write({"device": {"d": vector(7)}}, NOON)
        first.close()
        second = open_embeddings(tmp_path)
        assert second.read({"device": ["d"]})["device"]["d"].vector.tolist() == [7.0]
        second.close()

    def test_a_damaged_file_is_an_outage(self, tmp_path):
        store = open_embeddings(tmp_path)
        store.close()
        (tmp_path / "online.db").write_bytes(b"no database" * 1000)
        with pytest.raises(StoreUnavailable, match="cannot use the embeddings"):
            open_embeddings(tmp_path).read({"card": ["c"]})


def test_memory_keeps_the_later_of_two_runs():
    store = MemoryEmbeddings()
    store.write({"card": {"c": vector(2)}}, NOON)
    store.write({"card": {"c": vector(1)}}, NOON.replace(hour=11))
    assert store.read({"card": ["c"]})["card"]["c"].vector.tolist() == [2.0]

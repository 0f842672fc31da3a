"""What every store of embeddings must do. Subclass it, with a ``store`` fixture, for each implementation."""

import threading
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from features.embeddings import NODE_TYPES

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def vector(*values):
    return np.array(values, np.float32)


class EmbeddingConformance:
    def test_unknown_keys_are_absent(self, store):
        assert store.read({kind: ["nobody"] for kind in NODE_TYPES}) == {kind: {} for kind in NODE_TYPES}
        assert store.read({"card": []}) == {"card": {}}

    def test_every_embedding_comes_back_under_its_type_with_its_time(self, store):
        store.write({kind: {"same": vector(place, 0.1, -3e38)} for place, kind in enumerate(NODE_TYPES)}, NOON)
        found = store.read({kind: ["same", "same"] for kind in NODE_TYPES})
        for place, kind in enumerate(NODE_TYPES):
            assert np.array_equal(found[kind]["same"].vector, vector(place, 0.1, -3e38))
            assert found[kind]["same"].vector.dtype == np.float32
            assert found[kind]["same"].as_of == NOON

    def test_a_later_run_replaces(self, store):
        store.write({"ip": {"10.0.0.1": vector(1), "kept": vector(5)}}, NOON)
        store.write({"ip": {"10.0.0.1": vector(2)}}, NOON + timedelta(hours=1))
        found = store.read({"ip": ["10.0.0.1", "kept"]})["ip"]
        assert found["10.0.0.1"].vector.tolist() == [2.0]
        assert found["10.0.0.1"].as_of == NOON + timedelta(hours=1)
        assert found["kept"].as_of == NOON

    def test_another_model_as_of_the_same_moment_replaces(self, store):
        store.write({"card": {"c": vector(1)}}, NOON)
        store.write({"card": {"c": vector(2)}}, NOON)
        assert store.read({"card": ["c"]})["card"]["c"].vector.tolist() == [2.0]

    def test_times_are_kept_in_whole_seconds(self, store):
        store.write({"card": {"c": vector(1)}}, NOON + timedelta(microseconds=834_000))
        assert store.read({"card": ["c"]})["card"]["c"].as_of == NOON

    def test_more_than_one_call_can_take(self, store):
        many = {f"c{number}": vector(number) for number in range(2_500)}
        store.write({"card": many}, NOON)
        found = store.read({"card": list(many)})["card"]
        assert len(found) == len(many)
        assert found["c2499"].vector.tolist() == [2499.0]

    def test_threads_may_share_it(self, store):
        failures = []

        def work(kind):
            try:
                for number in range(5):
                    store.write({kind: {"k": vector(number)}}, NOON + timedelta(seconds=number))
                    assert store.read({kind: ["k"]})[kind]["k"].vector.tolist() == [float(number)]
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(kind,)) for kind in NODE_TYPES]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures

    def test_mistakes_are_told(self, store):
        with pytest.raises(ValueError, match="unknown node type"):
            store.read({"customer": ["x"]})
        with pytest.raises(ValueError, match="float32"):
            store.write({"card": {"c": np.ones(3)}}, NOON)
        with pytest.raises(ValueError, match="finite"):
            store.write({"card": {"c": vector(np.nan)}}, NOON)
        with pytest.raises(ValueError, match="UTC"):
            store.write({"card": {"c": vector(1)}}, NOON.replace(tzinfo=None))

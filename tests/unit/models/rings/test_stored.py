"""Stored embeddings and the model that made them."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from features.stores.embeddings import open_embeddings
from features.stores.memory_embeddings import MemoryEmbeddings
from models.rings.stored import LAST_RUN, ModelEmbeddings

AT = datetime(2030, 1, 1, tzinfo=UTC)
LATER = AT + timedelta(hours=1)
OLD, NEW = "rings-00000000abcd", "rings-00000000abce"


@pytest.fixture(params=["memory", "sqlite"])
def store(request, tmp_path):
    opened = MemoryEmbeddings() if request.param == "memory" else open_embeddings(tmp_path / "embeddings")
    yield opened
    opened.close()


def vectors(value):
    return {"card": {"c": np.full(3, value, np.float32)}, "merchant": {"m": np.full(3, value + 1, np.float32)}}


def test_a_model_reads_what_it_wrote_and_when_it_was_done(store):
    own = ModelEmbeddings(store, OLD)
    own.write(vectors(1.0), AT)
    assert own.read({"card": ["c"]})[1] is None
    own.finish(LATER)
    found, run = own.read({"card": ["c", "other"], "merchant": ["m"], "ip": []})
    assert run == LATER
    assert {kind: list(of_kind) for kind, of_kind in found.items()} == {"card": ["c"], "merchant": ["m"], "ip": []}
    assert found["card"]["c"].vector.tolist() == [1.0, 1.0, 1.0]
    assert found["merchant"]["m"].as_of == AT


def test_what_another_model_made_counts_as_absent(store):
    old, new = ModelEmbeddings(store, OLD), ModelEmbeddings(store, NEW)
    old.write(vectors(1.0), AT)
    old.finish(AT)
    assert new.read({"card": ["c"]}) == ({"card": {}, "merchant": {}}, None)
    new.write({"card": vectors(5.0)["card"]}, LATER)
    new.finish(LATER)
    found, run = new.read({"card": ["c"], "merchant": ["m"]})
    assert (found["card"]["c"].vector.tolist(), found["merchant"], run) == ([5.0, 5.0, 5.0], {}, LATER)
    assert old.read({"card": ["c"], "merchant": ["m"]})[0]["merchant"].keys() == {"m"}
    assert old.read({"card": ["c"]})[1] is None


def test_the_mark_of_the_last_run_is_nobodys_embedding(store):
    own = ModelEmbeddings(store, OLD)
    own.finish(AT)
    assert own.read({"merchant": ["m"]})[0]["merchant"] == {}
    assert not LAST_RUN.isprintable()

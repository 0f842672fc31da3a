import stat
from importlib import import_module
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from features.errors import ConfigurationError, StateError, StoreUnavailable
from features.stores.feast_store import open_feast
from tests.unit.features.stores.conformance import NOON, feast_messages

REPO = Path(__file__).parents[4] / "features" / "feast_repo"


@pytest.fixture
def directory(tmp_path):
    directory = tmp_path / "features"
    store = open_feast(directory)
    store.write({"card": {"c": b"1"}}, NOON)
    store.close()
    return directory


def test_a_second_opening_changes_no_file(directory):
    before = {path.name: path.stat().st_mtime_ns for path in directory.iterdir() if path.suffix not in (".db", "")}
    registry = (directory / "registry.db").read_bytes()
    open_feast(directory).close()
    assert (directory / "registry.db").read_bytes() == registry
    assert {name: (directory / name).stat().st_mtime_ns for name in before} == before


def test_changed_definitions_are_applied_and_states_stay(directory):
    store = open_feast(directory)
    feast_store = store._backend.instance.store
    feast_store.registry.delete_feature_view("card_state", "ringfence")
    store.close()
    store = open_feast(directory)
    names = {view.name for view in store._backend.instance.store.list_feature_views()}
    assert names == {"card_state", "merchant_state", "device_state", "ip_state", "customer_state"}
    assert store.read({"card": ["c"]}) == {"card": {"c": b"1"}}
    store.close()


@pytest.mark.parametrize("damage", [b"\xff" * 100, "cut"])
def test_a_damaged_registry_is_refused_and_its_remedy_works(directory, damage):
    registry = directory / "registry.db"
    content = registry.read_bytes()
    # A cut between two records leaves a registry that can be read; one byte short, the last record is torn.
    registry.write_bytes(content[:-1] if damage == "cut" else damage)
    with pytest.raises(StateError, match=r"registry\.db is damaged\. Delete that one file"):
        open_feast(directory)
    registry.unlink()
    store = open_feast(directory)
    assert store.read({"card": ["c"]}) == {"card": {"c": b"1"}}
    store.close()


def test_a_directory_that_cannot_be_used(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="cannot be used"):
        open_feast(tmp_path / "file" / "features")


@pytest.mark.usefixtures("directory")  # so that Feast is imported by `open_feast`
def test_keys_are_feasts_own():
    entity_key, value = feast_messages()
    serialize = import_module("feast.infra.key_encoding_utils").serialize_entity_key
    instance = import_module("features.stores.feast_instance")
    for entity, join_key in instance.JOIN_KEYS.items():
        for key in ("a", "~" * 128, "10.0.0.1"):
            expected = entity_key(join_keys=[join_key], entity_values=[value(string_val=key)])
            assert instance.key_bytes(entity, key) == serialize(expected, entity_key_serialization_version=3)


@pytest.mark.parametrize(
    "url", ["localhost:6379", "http://u:hush@h", "redis://u:hush@h:port", "redis://h/hush", "redis://"]
)
def test_a_bad_redis_url_is_refused_without_repeating_it(tmp_path, url):
    with pytest.raises(ConfigurationError, match="Redis URL cannot be used") as caught:
        open_feast(tmp_path, redis_url=url)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_the_password_never_reaches_the_disk(tmp_path, scheme):
    store = open_feast(tmp_path, redis_url=f"{scheme}://user:hush,hush@127.0.0.1:1/3")
    written = (tmp_path / "feature_store.yaml").read_text()
    assert "127.0.0.1:1,db=3" in written
    assert ("ssl=true" in written) == (scheme == "rediss")
    assert not any(b"hush" in path.read_bytes() for path in tmp_path.iterdir())
    store.close()


def test_the_shipped_source_file_is_the_one_an_instance_writes(directory):
    assert pq.read_table(REPO / "history.parquet").equals(pq.read_table(directory / "history.parquet"))
    assert not stat.S_IMODE((directory / "feature_store.yaml").stat().st_mode) & stat.S_IWOTH

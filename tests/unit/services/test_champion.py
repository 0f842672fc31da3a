import pytest

from features.errors import BundleError, ConfigurationError, StateError
from models.policy import save_policy
from services.champion import (
    bundle_of,
    champion,
    champion_version,
    find_version,
    install,
    policy,
    policy_file,
    policy_of,
    served,
    versions,
)
from services.registry import read_registry
from services.state_directory import open_state
from tests.unit.services.trained import NOW, install_editions, parts
from tests.unit.services.trained import policy as policy_number


@pytest.fixture
def state(tmp_path):
    return open_state(tmp_path / "state")


def test_the_first_model_is_champion_and_the_next_ones_are_challengers(state):
    with pytest.raises(StateError, match="no model"):
        champion_version(state)
    first, second, third = install_editions(state, 3)
    registry = read_registry(state)
    assert (registry.champion, registry.challenger) == (first, third)
    assert champion(state).version == first
    assert policy(state).number == 1
    assert versions(state) == sorted([first, second, third])
    assert (find_version(state, "champion"), find_version(state, "challenger")) == (first, third)


def test_a_policy_goes_with_its_version(state):
    first, second = install_editions(state, 2)
    assert served(state).policy.version == policy_number(1).version
    assert served(state, second).policy.version == policy_number(2).version
    assert served(state, second).bundle.version == second
    assert policy_of(state, first) != policy_of(state, second)


def test_training_the_same_again_changes_nothing_and_keeps_an_edited_policy(state):
    first, second = install_editions(state, 2)
    save_policy(policy_file(state, first), policy_number(7))
    before = read_registry(state)
    for edition, version, alias in ((1, first, "champion"), (2, second, "challenger")):
        bundle, now_is = install(state, parts(edition), policy_number(edition), NOW)
        assert (bundle.version, now_is) == (version, alias)
    assert read_registry(state) == before
    assert policy(state).number == 7
    assert not [path for path in state.bundles.iterdir() if path.name.startswith(".")]


def test_training_again_mends_a_damaged_bundle(state):
    (version,) = install_editions(state, 1)
    (state.bundles / version / "model.txt").write_text("garbage")
    with pytest.raises(BundleError, match="does not match its hash"):
        champion(state)
    install(state, parts(1), policy_number(1), NOW)
    champion(state).smoke_test()


def test_another_versions_bundle_is_refused(state):
    first, second = install_editions(state, 2)
    (state.bundles / first).rename(state.bundles / "aside")
    (state.bundles / second).rename(state.bundles / first)
    with pytest.raises(BundleError, match=f"holds the bundle {second}"):
        champion(state)


@pytest.mark.parametrize("name", ["../bundles", ".hidden", "", "a/b"])
def test_what_is_no_version_never_becomes_a_path(state, name):
    install_editions(state, 1)
    with pytest.raises(BundleError, match="not a model version"):
        bundle_of(state, name)


@pytest.mark.parametrize("name", ["challenger", "lightgbm-000000000000", "../bundles"])
def test_what_is_not_there_is_named(state, name):
    install_editions(state, 1)
    with pytest.raises(ConfigurationError, match=name):
        find_version(state, name)

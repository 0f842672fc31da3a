"""Hashes of what features compute: they change with values, and with nothing else."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

import features
from features.catalogue import NAMES
from features.engine import FeatureEngine
from features.events import TransactionEvent
from features.fingerprint import changed_features, digests, digests_of, feature_digests, made_up_history
from features.state import _HEAD, _PREFIX_FIELDS
from features.state_layout import H_TILED, TILED_EVENTS, TILED_OUTCOMES
from features.store import ENTITIES
from features.table import OPTIONAL_NUMBERS, OPTIONAL_TEXT


@pytest.fixture(scope="module")
def history():
    return list(made_up_history())


@pytest.fixture(scope="module")
def folded(history):
    return FeatureEngine().fold(history, {})


def test_every_feature_has_a_hash_of_its_own(folded):
    """Two features that are alike in this history could be mixed up unnoticed."""
    assert list(feature_digests()) == list(NAMES)
    assert len(set(feature_digests().values())) == len(NAMES)
    assert digests(folded.features) == feature_digests()


def test_the_history_tries_out_every_feature(folded):
    for name, column in zip(NAMES, folded.features.T, strict=True):
        assert len(np.unique(column)) > 1, name


def test_the_history_lacks_every_optional_field_and_sees_every_entity_cold_and_late(history, folded):
    fields = set(OPTIONAL_TEXT + OPTIONAL_NUMBERS) - {"counterparty_id"}
    expected = {f"missing:{field}" for field in fields} | {f"cold:{entity}" for entity in ENTITIES} | {"late"}
    assert set().union(*folded.flags) == expected


@pytest.mark.parametrize("entity", ENTITIES)
def test_the_history_goes_beyond_what_an_entity_remembers(folded, entity):
    tiled = [_HEAD.unpack_from(state)[_PREFIX_FIELDS:][H_TILED] for state in folded.states[entity].values()]
    assert TILED_EVENTS | TILED_OUTCOMES in tiled
    assert 0 in tiled


def test_a_changed_value_changes_the_hash_of_its_feature_only(folded):
    for name in (NAMES[0], NAMES[-1]):
        changed = folded.features.copy()
        changed[7, NAMES.index(name)] += 1.0
        after = digests(changed)
        assert {name for name in NAMES if after[name] != feature_digests()[name]} == {name}


def test_kinds_of_nothing_are_one():
    one = np.zeros((2, len(NAMES)), np.float32)
    other = one.copy()
    other[0, 0] = -0.0
    assert digests(one) == digests(other)
    one[1, 1], other[1, 1] = np.nan, -np.float32(np.nan)
    assert digests(one) == digests(other)


def test_only_what_the_catalogue_still_has_can_have_changed():
    name = NAMES[3]
    assert digests_of(["gone", name]) == {name: feature_digests()[name]}
    assert changed_features({"gone": "0", name: feature_digests()[name]}) == []
    assert changed_features({"gone": "0", name: "0"}) == [name]


def test_names_that_are_not_in_the_catalogue_ask_for_no_fold(monkeypatch):
    monkeypatch.setattr(FeatureEngine, "fold", None)
    assert digests_of(["gone"]) == {}


def test_hashes_do_not_depend_on_how_the_history_is_cut(history):
    """Nor, then, on the micro-batch: hashing is of what serving computes."""
    engine, states, rows = FeatureEngine(), {}, []
    for begin in range(0, len(history), 301):
        result = engine.fold(history[begin : begin + 301], states)
        rows.append(result.features)
        for entity, found in result.states.items():
            states.setdefault(entity, {}).update(found)
    assert digests(np.concatenate(rows)) == feature_digests()


def test_another_history_has_other_hashes(history):
    at = next(place for place, event in enumerate(history) if isinstance(event, TransactionEvent))
    dearer = TransactionEvent(history[at].seq, replace(history[at].transaction, amount=77.7))
    other = digests(FeatureEngine().fold([*history[:at], dearer, *history[at + 1 :]], {}).features)
    assert other["amount"] != feature_digests()["amount"]
    assert other["device_count_1h"] == feature_digests()["device_count_1h"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_changed_constant_is_caught_and_a_tidied_formula_is_not(tmp_path):
    """Compiles the kernel of an edited copy of the package, which takes about a minute."""
    copy = tmp_path / "features"
    shutil.copytree(Path(features.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    formulas = copy / "catalogue_formulas.py"
    text = formulas.read_text()
    for before, after in (
        ("_MONTH_DAYS = 30.0", "_MONTH_DAYS = 28.0"),
        ('"""1 is the merchant\'s own usual rate."""', '"""Said in other words."""'),
        ("at = past.end - past.width", "at = past.end\n    at -= past.width"),
    ):
        assert text.count(before) == 1
        text = text.replace(before, after)
    formulas.write_text(text)
    script = "import json; from features.fingerprint import feature_digests; print(json.dumps(feature_digests()))"
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert changed_features(json.loads(done.stdout)) == ["merchant_velocity_24h"]

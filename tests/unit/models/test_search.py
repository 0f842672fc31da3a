import builtins
import subprocess
import sys

import numpy as np
import pytest

from features.errors import ConfigurationError
from models import search as module
from models.fitting import FAMILIES, Sample
from models.imbalance import treatments
from models.search import RECIPES, SPACE, quality, search
from models.search_report import IMBALANCE, Bounds, SearchReport
from models.splits import time_split


@pytest.fixture(scope="module")
def samples(data):
    table, features = data
    split = time_split(table)
    truth = table["is_fraud"].to_numpy(dtype=bool)
    return [Sample(features[window.rows], truth[window.rows]) for window in (split.train, split.validation)]


def found(samples, bounds, family="lightgbm", beats=lambda challenger, present, tries: True, **options):
    options = {"seed": 1, "rounds": 60, "changes": {}, "tell": lambda: None} | options
    return search(family, *samples, bounds, beats=beats, **options)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_begins_with_the_recipe_under_each_treatment_and_ends_at_its_bound(samples, family):
    told = []
    result = found(samples, Bounds(6), family, tell=lambda: told.append(1))
    assert [trial.number for trial in result.trials] == list(range(6)) == [n for n, _ in enumerate(told)]
    for trial, name in zip(result.trials, treatments(samples[0]), strict=False):
        assert trial.parameters == {one: RECIPES[family][one] for one in SPACE[family]} | {IMBALANCE: name}
    for trial in result.trials:
        for name, span in SPACE[family].items():
            assert span.low <= trial.parameters[name] <= span.high
    best = max(trial.average_precision for trial in result.trials if not trial.pruned)
    assert result.chosen.average_precision == best == quality(result.fit.scorer, samples[1])
    assert result.fit.rounds == result.chosen.rounds


def test_same_seed_same_trials(samples):
    first, again = found(samples, Bounds(7)), found(samples, Bounds(7))
    assert first.trials == again.trials
    np.testing.assert_array_equal(
        first.fit.scorer.margin(samples[1].features), again.fit.scorer.margin(samples[1].features)
    )
    assert found(samples, Bounds(7), seed=2).trials[4:] != first.trials[4:]


def test_the_recipe_keeps_its_place_unless_beaten_by_more_than_noise(samples):
    result = found(samples, Bounds(5), beats=lambda challenger, present, tries: tries > 5)
    assert result.chosen.number == 0
    assert quality(result.fit.scorer, samples[1]) == result.trials[0].average_precision


def test_a_hopeless_trial_is_given_up_early(samples, monkeypatch):
    monkeypatch.setattr(module, "UNSEEN_ROUNDS", 10)
    monkeypatch.setitem(module.SPACE["lightgbm"], "min_data_in_leaf", module.Range(10, 2000, log=True, whole=True))
    pruned = [trial for trial in found(samples, Bounds(12)).trials if trial.pruned]
    assert pruned
    assert all(trial.number > 2 and trial.rounds < 60 for trial in pruned)


def test_minutes_end_the_search_but_never_before_the_first_trial(samples):
    result = found(samples, Bounds(50, minutes=1e-9))
    assert 1 <= len(result.trials) < 50
    assert not result.trials[0].pruned
    assert not SearchReport(result.trials, {"lightgbm": result.chosen}, Bounds(50, minutes=1e-9)).complete


def test_without_optuna_the_remedy_is_named(samples, monkeypatch):
    def absent(name, *rest, **options):
        if name == "optuna":
            raise ImportError(name)
        return importing(name, *rest, **options)

    importing = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ConfigurationError, match="Optuna") as caught:
        found(samples, Bounds(1))
    assert "ringfence[train]" in caught.value.remedy


def test_nothing_but_a_search_imports_optuna():
    code = "import sys, services.cli.app, models.train; sys.exit('optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

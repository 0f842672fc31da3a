"""The search for parameters: Optuna's TPE, seeded, in memory, on the validation window alone. The one Optuna adapter.

A search is bounded by trials and, if asked, by minutes. Its first trials are the recipe's own parameters under each
treatment of class imbalance; the rest are drawn where earlier trials did well. A trial that lags behind the median of
the earlier ones is given up early. The recipe's own parameters at the natural balance (trial 0) keep their place unless
the best trial beats them by more than noise: the best of many tries looks good by luck alone where frauds are few.
The test window is never seen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from types import ModuleType
from typing import Any

from features.errors import ConfigurationError
from models import metrics
from models.fitting import FAMILIES, LIGHTGBM, XGBOOST, Fit, Parameters, Sample, Watch
from models.imbalance import corrected, treated, treatments
from models.scorer import Scorer, Vector
from models.search_report import IMBALANCE, Bounds, Trial

UNSEEN_ROUNDS = 40  # before them no trial is given up
REPORT_EVERY = 10
DRAWN_FIRST = 5  # trials before TPE begins to learn from them
Beats = Callable[[Vector, Vector, int], bool]
RECIPES: dict[str, Parameters] = {"lightgbm": LIGHTGBM, "xgboost": XGBOOST}


@dataclass(frozen=True, slots=True)
class Range:
    """Where a parameter is searched, both ends included."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


SPACE: dict[str, dict[str, Range]] = {
    "lightgbm": {
        "learning_rate": Range(0.02, 0.1, log=True),
        "num_leaves": Range(6, 64, log=True, whole=True),
        "min_data_in_leaf": Range(10, 200, log=True, whole=True),
        "lambda_l2": Range(0.1, 50.0, log=True),
        "feature_fraction": Range(0.1, 0.8),
        "bagging_fraction": Range(0.5, 1.0),
    },
    "xgboost": {
        "learning_rate": Range(0.02, 0.1, log=True),
        "max_depth": Range(2, 8, whole=True),
        "min_child_weight": Range(0.5, 30.0, log=True),
        "reg_lambda": Range(0.5, 50.0, log=True),
        "colsample_bynode": Range(0.1, 0.8),
        "subsample": Range(0.5, 1.0),
    },
}


@dataclass(frozen=True, slots=True)
class Found:
    """The fit of one family that was chosen, the trial behind it, and all trials."""

    fit: Fit
    chosen: Trial
    trials: tuple[Trial, ...]


def search(
    family: str,
    train: Sample,
    validation: Sample,
    bounds: Bounds,
    *,
    seed: int,
    rounds: int,
    changes: Parameters,
    beats: Beats,
    tell: Callable[[], None],
) -> Found:
    """Search one family's parameters; ``changes`` hold for every trial. ``tell`` is called after each.

    ``beats`` compares margins on the validation window: the first must be better than the second by more than noise,
    given how many were tried. At least one trial is made, and the first is finished whatever the time. Raises
    `ConfigurationError` without Optuna.
    """
    optuna = _optuna()
    candidates = treatments(train)
    begun = perf_counter()
    limit = float("inf") if bounds.minutes is None else bounds.minutes * 60

    def is_late() -> bool:
        return perf_counter() - begun > limit

    made: list[Trial] = []
    fits: dict[int, Fit] = {}

    def objective(draw: Any) -> float:
        started = perf_counter()
        parameters = {name: _draw(draw, name, span) for name, span in SPACE[family].items()}
        name = str(draw.suggest_categorical(IMBALANCE, list(candidates)))
        reached = _Reached(draw, lambda: draw.number > 0 and is_late(), optuna.TrialPruned)
        sample = treated(train, candidates[name], seed)
        pruned = False
        try:
            fit = FAMILIES[family](sample, validation, seed, rounds, {**changes, **parameters}, watch=reached.watch)
            fit = fits[draw.number] = corrected(fit, candidates[name])
            value, kept = quality(fit.scorer, validation), fit.rounds
        except optuna.TrialPruned:
            value, kept, pruned = reached.best, reached.rounds, True
        seconds = perf_counter() - started
        made.append(Trial(draw.number, family, {**parameters, IMBALANCE: name}, value, kept, pruned, seconds))
        best = max(fits, key=lambda number: made[number].average_precision)
        for number in [number for number in fits if number not in {0, best}]:
            del fits[number]
        if is_late():
            draw.study.stop()
        tell()
        if pruned:
            raise optuna.TrialPruned
        return value

    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=DRAWN_FIRST),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=len(candidates), n_warmup_steps=UNSEEN_ROUNDS),
    )
    for name in candidates:
        study.enqueue_trial({one: RECIPES[family][one] for one in SPACE[family]} | {IMBALANCE: name})
    study.optimize(objective, n_trials=bounds.trials)
    best = max(fits)
    challenger, recipe = (fits[number].scorer.margin(validation.features) for number in (best, 0))
    chosen = best if best and beats(challenger, recipe, len(made)) else 0
    return Found(fits[chosen], made[chosen], tuple(made))


def quality(scorer: Scorer, validation: Sample) -> float:
    """Average precision on the validation window."""
    return metrics.average_precision(validation.is_fraud, scorer.margin(validation.features), validation.weights)


class _Reached:
    """Follows one fit round by round; ends it when the pruner or the clock says so."""

    def __init__(self, draw: Any, is_late: Callable[[], bool], prune: type[Exception]) -> None:
        self.best, self.rounds = 0.0, 0
        self._draw, self._is_late, self._prune = draw, is_late, prune
        self.watch: Watch = self._watch

    def _watch(self, done: int, value: float) -> None:
        if value > self.best:
            self.best, self.rounds = value, done
        if done % REPORT_EVERY:
            return
        self._draw.report(self.best, done)
        if self._is_late() or self._draw.should_prune():
            raise self._prune


def _draw(draw: Any, name: str, span: Range) -> float:
    if span.whole:
        return int(draw.suggest_int(name, int(span.low), int(span.high), log=span.log))
    return float(draw.suggest_float(name, span.low, span.high, log=span.log))


def _optuna() -> ModuleType:
    try:
        import optuna  # noqa: PLC0415  only a search pays for it, and serving does not have it
    except ImportError:
        raise ConfigurationError(
            "The search for parameters needs Optuna, which is not installed.",
            remedy="Install it with `pip install 'ringfence[train]'`, or train without a search: --trials 0.",
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna

"""The candidates of one training: LightGBM and XGBoost, fitted side by side, and their blend."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from features.errors import DataError
from models.blending import beats, blend
from models.fitting import FAMILIES, NO_CHANGES, Parameters, Sample
from models.imbalance import NATURAL
from models.monotone import directions
from models.scorer import Scorer, Vector
from models.search import RECIPES, SPACE, Found, quality, search
from models.search_report import IMBALANCE, Bounds, SearchReport, Trial

Tell = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One family's showing on the validation window; ``rounds`` is the number of trees kept.

    ``parameters`` are what it was fitted with; ``seconds`` the fitting itself took.
    """

    family: str
    rounds: int
    average_precision: float
    parameters: Parameters
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Every family's fit, the fastest first, which of them was chosen, and the search behind them, if any."""

    showings: tuple[Candidate, ...]
    scorers: dict[str, Scorer]
    chosen: str
    search: SearchReport | None


def fit_candidates(
    train: Sample,
    validation: Sample,
    cards: NDArray[np.intp],
    names: Sequence[str],
    bounds: Bounds,
    *,
    seed: int,
    rounds: int,
    tell: Tell,
) -> Candidates:
    """Fit every family and choose one on the validation window; ``cards`` (n,) numbers its cards from 0.

    LightGBM, the fastest, is chosen unless a slower family beats it by more than noise, and so on.
    """
    changes = {"monotone_constraints": directions(names)} if any(directions(names)) else NO_CHANGES
    steps = _Steps(tell, max(bounds.trials, 1) * len(FAMILIES))

    def better(challenger: Vector, present: Vector, tries: int = 1) -> bool:
        return beats(challenger, present, validation, cards, seed, tries)

    def fit(family: str) -> Found:
        def told() -> None:
            steps.done(f"fitting {family}")

        if bounds.trials:
            return search(
                family, train, validation, bounds, seed=seed, rounds=rounds, changes=changes, beats=better, tell=told
            )
        return _fixed(family, train, validation, seed, rounds, changes, told)

    tell("fitting", 0.0)
    with ThreadPoolExecutor(len(FAMILIES)) as pool:  # both libraries release the interpreter's lock
        found = dict(zip(FAMILIES, pool.map(fit, FAMILIES), strict=True))
    showings = [_showing(one.chosen) for one in found.values()]
    scorers: dict[str, Scorer] = {family: one.fit.scorer for family, one in found.items()}
    mixed = _blended(scorers, validation, showings)
    if mixed is not None:
        scorers["blend"], showing = mixed
        showings.append(showing)
    chosen, *slower = scorers
    for family in slower:
        challenger, present = (scorers[one].margin(validation.features) for one in (family, chosen))
        if better(challenger, present):
            chosen = family
    trials = tuple(trial for one in found.values() for trial in one.trials)
    report = SearchReport(trials, {family: one.chosen for family, one in found.items()}, bounds)
    return Candidates(tuple(showings), scorers, chosen, report if bounds.trials else None)


def _fixed(
    family: str,
    train: Sample,
    validation: Sample,
    seed: int,
    rounds: int,
    changes: Parameters,
    told: Callable[[], None],
) -> Found:
    started = perf_counter()
    fit = FAMILIES[family](train, validation, seed, rounds, changes)
    parameters = {name: RECIPES[family][name] for name in SPACE[family]} | {IMBALANCE: NATURAL.name}
    reached = quality(fit.scorer, validation)
    trial = Trial(0, family, parameters, reached, fit.rounds, seconds=perf_counter() - started)
    told()
    return Found(fit, trial, ())


def _showing(trial: Trial) -> Candidate:
    return Candidate(trial.family, trial.rounds, trial.average_precision, trial.parameters, trial.seconds)


def _blended(
    scorers: dict[str, Scorer], validation: Sample, showings: Sequence[Candidate]
) -> tuple[Scorer, Candidate] | None:
    started = perf_counter()
    try:
        scorer = blend(scorers["lightgbm"], scorers["xgboost"], validation)
    except DataError:  # one of them ranks no better than chance there: nothing to blend
        return None
    reached = quality(scorer, validation)
    seconds = perf_counter() - started + sum(showing.seconds for showing in showings)
    parameters = {name: getattr(scorer.weights, name) for name in scorer.weights.__struct_fields__}
    return scorer, Candidate("blend", sum(one.rounds for one in showings), reached, parameters, seconds)


class _Steps:
    """Counts what several threads have done, so that the share told only rises."""

    def __init__(self, tell: Tell, total: int) -> None:
        self._tell, self._total, self._done = tell, total, 0
        self._lock = threading.Lock()

    def done(self, stage: str) -> None:
        with self._lock:
            self._done += 1
            self._tell(stage, 0.95 * self._done / self._total)

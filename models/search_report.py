"""What a search for parameters was allowed, tried and chose: plain values, for the printout and for tracking."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

IMBALANCE = "imbalance"  # the parameter that names a treatment of `models.imbalance`


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long to search: ``trials`` a family (0: the recipe's own parameters), and ``minutes`` in all, if not None.

    Only a search that its minutes did not cut short is repeatable on another machine.
    """

    trials: int = 0
    minutes: float | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """One set of parameters, ``imbalance`` among them, and the average precision it reached on the validation window.

    ``pruned`` trials were given up: theirs is what they had reached by then.
    """

    number: int
    family: str
    parameters: Mapping[str, Any]
    average_precision: float
    rounds: int
    pruned: bool = False
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class SearchReport:
    """A finished search: every trial in order, family by family, and the chosen one of each family."""

    trials: tuple[Trial, ...]
    chosen: Mapping[str, Trial]
    bounds: Bounds

    @property
    def complete(self) -> bool:
        """Whether all trials were made, rather than the minutes running out."""
        return len(self.trials) == self.bounds.trials * len(self.chosen)
